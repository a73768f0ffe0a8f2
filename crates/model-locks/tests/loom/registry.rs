//! The registry: names that are looked up while others come and go.
//!
//! It has two copies of its names here instead of sixteen. Threads take turns at them, so two that look names up read
//! different ones.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use model_locks::{Ask, ModelLock, ModelLocks, UnknownModel};
use std::sync::Arc;

use crate::support::{Bound, Engine, assert_idle, engines, join, model};

type Models = Arc<ModelLocks<u8, Engine>>;

fn one_model() -> Models {
    let models = ModelLocks::new();
    models.insert(1, engines::<1>()).expect("the name is free");
    Arc::new(models)
}

/// What a request does first.
fn use_by_name(models: &ModelLocks<u8, Engine>, name: u8) -> Result<(), &'static str> {
    let lock = models.get(&name).map_err(|UnknownModel| "unknown")?;
    lock.blocking_acquire(Ask::default()).map_err(|_closed| "closed")?.enter();
    Ok(())
}

/// A request looks its model up while that is removed. It is served, or hears that the model is closed or unknown; and
/// once the removal is done, the model is unknown to everybody, and its lane comes home.
#[test]
fn look_up_against_remove() {
    model("look up against remove", Bound::Complete, || {
        let models = one_model();
        let theirs = Arc::clone(&models);
        let request = thread::spawn(move || use_by_name(&theirs, 1));
        let lock: ModelLock<Engine> = models.remove(&1).expect("the model is known");
        assert_eq!(use_by_name(&models, 1), Err("unknown"));
        assert!(join(request).is_err_and(|reason| ["closed", "unknown"].contains(&reason)) || lock.counts().closed);
        assert_idle(&lock, 1);
    });
}

/// One who has found a name tells another, who reads the other copy: it must be there as well.
#[test]
fn a_name_that_one_has_found_is_found_by_all() {
    model("a name that one has found is found by all", Bound::Complete, || {
        let models: Models = Arc::default();
        let found = Arc::new(AtomicBool::new(false));
        let (theirs, tell) = (Arc::clone(&models), Arc::clone(&found));
        let reader = thread::spawn(move || tell.store(theirs.get(&1).is_ok(), Ordering::SeqCst));
        let theirs = Arc::clone(&models);
        let writer = thread::spawn(move || theirs.insert(1, engines::<1>()).expect("the name is free"));
        if found.load(Ordering::SeqCst) {
            assert!(models.get(&1).is_ok(), "one thread knows the model, and this one does not");
            assert_eq!(models.ids(), [1], "one thread knows the model, and the list does not");
        }
        join(reader);
        join(writer);
        assert!(models.get(&1).is_ok());
    });
}

/// The same of a name that goes.
#[test]
fn a_name_that_one_has_missed_is_missed_by_all() {
    model("a name that one has missed is missed by all", Bound::Complete, || {
        let models = one_model();
        let missed = Arc::new(AtomicBool::new(false));
        let (theirs, tell) = (Arc::clone(&models), Arc::clone(&missed));
        let reader = thread::spawn(move || tell.store(theirs.get(&1).is_err(), Ordering::SeqCst));
        let theirs = Arc::clone(&models);
        let writer = thread::spawn(move || theirs.remove(&1).expect("the model is known").counts().closed);
        if missed.load(Ordering::SeqCst) {
            assert!(models.get(&1).is_err(), "one thread knows that the model is gone, and this one does not");
            assert_eq!(models.ids(), [0; 0], "one thread knows that the model is gone, and the list does not");
        }
        join(reader);
        assert!(join(writer), "whoever holds the lock of a model that is gone is told so");
    });
}

/// Two models are entered at once: each change begins with what the other has left.
#[test]
fn two_changes_at_once_are_both_kept() {
    model("two changes at once are both kept", Bound::Complete, || {
        let models: Models = Arc::default();
        let theirs = Arc::clone(&models);
        let other = thread::spawn(move || theirs.insert(2, engines::<1>()).expect("the name is free"));
        models.insert(1, engines::<1>()).expect("the name is free");
        join(other);
        assert_eq!(models.ids(), [1, 2]);
    });
}

/// Two loads of one model at once: one of them is refused, and the name means the other one's lock for everybody.
#[test]
fn a_name_given_twice_at_once_is_given_once() {
    model("a name given twice at once is given once", Bound::Complete, || {
        let models: Models = Arc::default();
        let theirs = Arc::clone(&models);
        let other = thread::spawn(move || theirs.insert(1, engines::<1>()).is_ok());
        let mine = engines::<1>();
        let entered = models.insert(1, mine.clone()).is_ok();
        assert!(join(other) != entered, "one is entered, the other refused");
        assert_eq!(models.get(&1).expect("one of the two is there").is_same(&mine), entered);
    });
}
