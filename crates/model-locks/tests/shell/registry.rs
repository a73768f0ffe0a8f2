//! Names and the locks they mean.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

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

/// What one thread has entered, removed or only seen, all threads know, whichever copy of the names they read.
#[test]
fn a_change_is_known_to_all_threads_at_once() {
    const MODELS: u32 = 200;
    let models = ModelLocks::<String, u32>::new();
    let (entered, removed, seen) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let read = || {
        while removed.load(Ordering::Acquire) < MODELS {
            // In this order: what is entered by now, less what may have been removed by the time it is looked up.
            let last = entered.load(Ordering::Acquire);
            let told = seen.load(Ordering::Acquire);
            let found = (1..=last).rev().take(3).chain((told > 0).then_some(told));
            let found = found.map(|model| (model, models.get(&model.to_string()).ok())).collect::<Vec<_>>();
            // One that is being entered: who finds it tells the others before it is said to be entered.
            if models.get(&(last + 1).to_string()).is_ok() {
                seen.fetch_max(last + 1, Ordering::AcqRel);
            }
            let gone = removed.load(Ordering::Acquire);
            for (model, lock) in found {
                assert!(lock.is_some() || model <= gone + 1, "model {model} was entered before, and is not there");
                let value = lock.and_then(|lock| lock.try_acquire(Ask::default()).ok().map(|lease| *lease));
                assert!(value.is_none_or(|value| value == model), "model {model} has the lock of another");
            }
            assert!(
                gone == 0 || models.get(&gone.to_string()).is_err(),
                "model {gone} was removed, and is still there"
            );
        }
    };
    thread::scope(|scope| {
        // More than there are copies of the names, so that some share one.
        (0..20).for_each(|_| drop(scope.spawn(read)));
        for model in 1..=MODELS {
            models.insert(model.to_string(), lock(model)).expect("the name is free");
            entered.store(model, Ordering::Release);
            if model > 3 {
                models.remove(&(model - 3).to_string()).expect("it was entered");
                removed.store(model - 3, Ordering::Release);
            }
        }
        for model in MODELS - 2..=MODELS {
            models.remove(&model.to_string()).expect("it was entered");
            removed.store(model, Ordering::Release);
        }
    });
    assert_eq!(models.ids(), [""; 0]);
}
