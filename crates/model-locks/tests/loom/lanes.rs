//! Lanes that break, come back and are added, while requests arrive.

use loom::future::block_on;
use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::AcquireError;
use model_locks::Ask;
use model_locks::Class;
use model_locks::Counts;
use model_locks::model::unwinding;
use std::task::Poll;

use crate::support::{
    Bound, Engine, assert_idle, block_once, counting, engines, held, join, model, poll, sleep_on, use_once,
};

/// The holder panics while another thread returns a lane of the same lock, a third one's panic notwithstanding: only the
/// lane of the one that panicked is quarantined, and the waiter gets the other.
#[test]
fn panic_of_the_holder_quarantines_its_lane() {
    model("panic of the holder, 2 lanes", Bound::Complete, || {
        let lock = engines::<2>();
        let broken = lock.try_acquire(Ask::default()).expect("two lanes are free");
        let sound = lock.try_acquire(Ask::default()).expect("one lane is free");
        let (broken_id, sound_id) = (broken.lane(), sound.lane());
        let (_, waker) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &waker).is_pending());

        let panicking = thread::spawn(move || unwinding(|| drop(broken)));
        let returning = thread::spawn(move || drop(sound));
        join(panicking);
        join(returning);
        let Poll::Ready(Ok(lease)) = poll(&mut wait, &waker) else { panic!("the sound lane went astray") };
        assert_eq!(lease.lane(), sound_id);
        drop(lease);
        assert_eq!(lock.counts(), Counts { free: 1, quarantined: 1, ..Counts::default() });
        assert_eq!(lock.repair().expect("one lane is in quarantine").lane(), broken_id);
    });
}

/// The only holder panics while a request arrives: the request must be refused at once, not sleep.
#[test]
fn panic_of_the_only_holder_against_acquire() {
    model("panic of the only holder against acquire", Bound::Complete, || {
        let (lock, lease) = held();
        let panicking = thread::spawn(move || unwinding(|| drop(lease)));
        let answer = block_on(lock.acquire(Ask::default()));
        assert!(matches!(answer, Err(AcquireError::Quarantined { .. })), "{answer:?}");
        join(panicking);
        assert_eq!(lock.counts().quarantined, 1);
    });
}

/// A lane is loaded while the first request for it arrives.
#[test]
fn add_lane_against_acquire() {
    model("add_lane against acquire", Bound::Complete, || {
        let lock = engines::<0>();
        let handle = lock.clone();
        let request = thread::spawn(move || use_once(&handle));
        lock.add_lane(Engine::new()).expect("the lock is open");
        join(request);
        assert_idle(&lock, 1);
    });
}

/// Two lanes are loaded by two threads while two requests wait: each must get one.
#[test]
fn add_lanes_against_two_waiters() {
    model("add_lane twice against two waiters", Bound::Complete, || {
        let lock = engines::<0>();
        let ((one, first_waker), (two, second_waker)) = (counting(), counting());
        let mut first = lock.acquire(Ask::new(Class::Background));
        let mut second = lock.acquire(Ask::new(Class::Interactive));
        assert!(poll(&mut first, &first_waker).is_pending());
        assert!(poll(&mut second, &second_waker).is_pending());

        let handle = lock.clone();
        let loading = thread::spawn(move || handle.add_lane(Engine::new()).expect("the lock is open"));
        lock.add_lane(Engine::new()).expect("the lock is open");
        join(loading);
        assert_eq!(one.0.load(Ordering::SeqCst), 1);
        assert_eq!(two.0.load(Ordering::SeqCst), 1);
        drop((first, second));
        assert_idle(&lock, 2);
    });
}

/// A repair is finished while a request arrives: it is refused before and served after, and never sleeps.
#[test]
fn repair_against_acquire() {
    model("repair against acquire", Bound::Complete, || {
        let (lock, lease) = held();
        lease.quarantine("broken");
        let repair = lock.repair().expect("one lane is in quarantine");
        let mending = thread::spawn(move || repair.finish());
        match block_on(lock.acquire(Ask::default())) {
            Ok(mut lease) => lease.enter(),
            Err(error) => assert!(matches!(error, AcquireError::Quarantined { .. })),
        }
        join(mending);
        assert_idle(&lock, 1);
    });
}

/// A second lane is loaded and the first unloaded, while one request holds or waits and another arrives: both are served,
/// and the first lane leaves.
#[test]
fn add_and_take_a_lane_under_load() {
    model("add and take a lane under load", Bound::Complete, || {
        let (lock, lease) = held();
        let first = lease.lane();
        let handle = lock.clone();
        let holder = thread::spawn(move || drop(lease));
        let request = thread::spawn(move || block_once(&handle));
        lock.add_lane(Engine::new()).expect("the lock is open");
        assert!(sleep_on(lock.take_lane(first)).is_some());
        join(holder);
        join(request);
        assert_idle(&lock, 1);
    });
}
