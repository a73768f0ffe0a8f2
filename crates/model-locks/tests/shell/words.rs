//! What is printed: for persons who read a log, and who must not be left with an empty line.

use model_locks::{
    AcquireAllError, AliasError, Ask, Class, ModelLock, ModelLocks, NameTaken, Policy, TryAcquireError, acquire_all,
};

use crate::support::held;

#[test]
fn every_refusal_has_its_words() {
    let reason = "out of memory".into();
    let words = [TryAcquireError::Busy, TryAcquireError::Closed, TryAcquireError::Quarantined { reason }];
    let expected = ["no lane is free", "lock is closed", "every lane is in quarantine: out of memory"];
    assert_eq!(words.map(|error| error.to_string()), expected);
    assert_eq!(AcquireAllError::Duplicate { index: 2 }.to_string(), "lock 2 is named twice");
    assert_eq!(NameTaken.to_string(), "name is taken");
    let words = [AliasError::NameTaken, AliasError::UnknownModel].map(|error| error.to_string());
    assert_eq!(words, ["name is taken", "no model of that name"]);
}

/// Method: `T` cannot be printed, and what has something to tell tells it.
#[test]
fn everything_can_be_printed_whatever_the_lanes_are() {
    struct Silent;
    let lock = ModelLock::new([Silent, Silent], Policy::default());
    let shown = |value: &dyn std::fmt::Debug, parts: &[&str]| {
        let text = format!("{value:?}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text} lacks one of {parts:?}");
    };
    shown(&lock, &["ModelLock", "free: 2"]);
    let ask = Ask::new(Class::Background).tag(31).client(7);
    shown(&ask, &["Ask", "Background", "tag: 31", "client: Some(7)", "supersede: None"]);
    shown(&lock.acquire(ask), &["Acquire", "tag: 31"]);
    shown(&acquire_all([(&lock, ask)]), &["AcquireAll", "missing: 1"]);
    shown(&lock.closed(), &["Closed"]);

    let lease = lock.try_acquire(ask).expect("a lane is free");
    shown(&lease, &["Lease", "lane: LaneId(0)", "ticket: Ticket(1)", "Background", "tag: 31"]);
    shown(&lock.take_lane(lease.lane()), &["TakeLane", "LaneId(0)"]);
    lease.quarantine("broken");
    shown(&lock.repair().expect("one is in quarantine"), &["Repair", "LaneId(0)", "broken"]);
    lock.close();
    shown(&lock.add_lane(Silent).expect_err("the lock is closed"), &["Rejected"]);

    let models = ModelLocks::new();
    models.insert("one", lock).expect("the name is free");
    models.alias("fast", "one").expect("the name is free");
    shown(&models, &["ModelLocks", "\"one\"", "\"fast\""]);
}

/// The last of two wins, as with every other part of an ask.
#[test]
fn what_is_given_twice_is_given_once() {
    let ask = Ask::default().supersede(1).supersede(2).client(3).client(4);
    assert_eq!((ask.supersede_key(), ask.client_key()), (Some(2), Some(4)));
    let (lock, lease) = held();
    let ask = ask.prefer(lease.lane()).prefer(lease.lane());
    assert_eq!(ask.preferred_lane(), Some(lease.lane()));
    drop((lock, lease));
}
