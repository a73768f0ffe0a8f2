//! Names and the locks they mean.

use model_locks::{AcquireError, AliasError, Ask, ModelLock, ModelLocks, NameTaken, Policy, UnknownModel};

use crate::support::{Task, queue_normal};

fn lock(value: u32) -> ModelLock<u32> {
    ModelLock::new([value], Policy::default())
}

fn two_models() -> ModelLocks<String, u32> {
    let models = ModelLocks::new();
    models.insert("one".into(), lock(1)).expect("the name is free");
    models.insert("two".into(), lock(2)).expect("the name is free");
    models.alias("fast".into(), "one".into()).expect("the model is known");
    models
}

fn value_of(models: &ModelLocks<String, u32>, name: &str) -> u32 {
    let lock = models.get(name).expect("the name is known");
    *lock.try_acquire(Ask::default()).expect("the lane is free")
}

#[test]
fn a_name_means_its_own_lock() {
    let models = two_models();
    assert_eq!((value_of(&models, "one"), value_of(&models, "two"), value_of(&models, "fast")), (1, 2, 1));
    let twice = models.get("one").expect("known").is_same(&models.get("one").expect("known"));
    assert!(twice, "two lookups of one name are one lock");
    assert_eq!(models.ids(), ["one", "two"]);
    assert_eq!(models.aliases(), [("fast".to_string(), "one".to_string())]);
}

#[test]
fn an_unknown_name_is_an_error() {
    let models = two_models();
    assert_eq!(models.get("three").unwrap_err(), UnknownModel);
    assert_eq!(models.get("").unwrap_err(), UnknownModel);
    assert_eq!(models.remove("three").unwrap_err(), UnknownModel);
    assert_eq!(UnknownModel.to_string(), "no model of that name");
}

/// What one model holds is not what another one waits for.
#[test]
fn models_are_independent() {
    let models = two_models();
    let _lease = models.get("one").expect("known").try_acquire(Ask::default()).expect("the lane is free");
    assert_eq!(value_of(&models, "two"), 2);
    let alias = models.get("fast").expect("known");
    assert!(alias.try_acquire(Ask::default()).is_err(), "the alias shares the lane");
}

#[test]
fn a_name_is_given_once() {
    let models = two_models();
    assert_eq!(models.insert("one".into(), lock(9)), Err(NameTaken));
    assert_eq!(models.insert("fast".into(), lock(9)), Err(NameTaken));
    assert_eq!(models.alias("two".into(), "one".into()), Err(AliasError::NameTaken));
    assert_eq!(models.alias("fast".into(), "two".into()), Err(AliasError::NameTaken));
    assert_eq!(models.alias("deep".into(), "three".into()), Err(AliasError::UnknownModel));
    assert_eq!((value_of(&models, "one"), value_of(&models, "fast")), (1, 1), "nothing has changed");
}

#[test]
fn an_alias_of_an_alias_means_the_model() {
    let models = two_models();
    models.alias("faster".into(), "fast".into()).expect("the alias is known");
    assert_eq!(value_of(&models, "faster"), 1);
    let expected = [("fast", "one"), ("faster", "one")].map(|(alias, id)| (alias.to_string(), id.to_string()));
    assert_eq!(models.aliases(), expected);
}

/// Method: a model with a holder and a waiter is removed; the holder finishes, the waiter is refused, the name is free.
#[test]
fn removing_a_model_closes_its_lock() {
    let models = two_models();
    let old = models.get("one").expect("known");
    let lease = old.try_acquire(Ask::default()).expect("the lane is free");
    let mut wait = queue_normal(&old);

    assert_eq!(models.remove("fast").unwrap_err(), UnknownModel, "an alias is not a model");
    let removed = models.remove("one").expect("the model is known");
    assert!(removed.is_same(&old));
    assert_eq!(wait.refusal(), AcquireError::Closed);
    assert_eq!(models.get("one").unwrap_err(), UnknownModel);
    assert_eq!(models.get("fast").unwrap_err(), UnknownModel);
    let mut end = Task::new(removed.closed());
    assert!(end.poll().is_pending());
    drop(lease);
    assert!(end.poll().is_ready());

    models.insert("one".into(), lock(11)).expect("the name is free again");
    assert_eq!(value_of(&models, "one"), 11);
    assert_eq!(models.ids(), ["one", "two"]);
}

/// A value that uses the registry when it is dropped must not find it locked.
#[test]
fn a_refused_lock_is_dropped_outside() {
    struct LooksUp(std::sync::Arc<ModelLocks<&'static str, LooksUp>>);
    impl Drop for LooksUp {
        fn drop(&mut self) {
            assert_eq!(self.0.ids(), ["one"]);
        }
    }
    let models = std::sync::Arc::new(ModelLocks::new());
    models.insert("one", ModelLock::new([], Policy::default())).expect("the name is free");
    let value = LooksUp(std::sync::Arc::clone(&models));
    assert_eq!(models.insert("one", ModelLock::new([value], Policy::default())), Err(NameTaken));
}
