//! Several locks taken by one call, against another that names them the other way round.

use loom::future::block_on;
use loom::thread;
use model_locks::Ask;
use model_locks::acquire_all;

use crate::support::{Bound, assert_idle, counting, engines, join, model, poll};

/// Two requests that need two models each and name them in opposite order. A circle would be a deadlock.
#[test]
fn two_locks_in_opposite_order() {
    model("two locks in opposite order", Bound::Complete, || {
        let (a, b) = (engines::<1>(), engines::<1>());
        let (first, second) = (a.clone(), b.clone());
        let other = thread::spawn(move || {
            let both = block_on(acquire_all([(&second, Ask::default()), (&first, Ask::default())]));
            both.expect("both are open").iter_mut().for_each(|lease| lease.enter());
        });
        let both = block_on(acquire_all([(&a, Ask::default()), (&b, Ask::default())]));
        both.expect("both are open").iter_mut().for_each(|lease| lease.enter());
        join(other);
        assert_idle(&a, 1);
        assert_idle(&b, 1);
    });
}

/// One of the two leaves half-way: everything it has taken must reach the other.
#[test]
fn cancel_of_one_that_wants_both() {
    model("cancel of one that wants both", Bound::Complete, || {
        let (a, b) = (engines::<1>(), engines::<1>());
        let (first, second) = (a.clone(), b.clone());
        let leaver = thread::spawn(move || {
            let (_, waker) = counting();
            drop(poll(&mut acquire_all([(&second, Ask::default()), (&first, Ask::default())]), &waker));
        });
        let both = block_on(acquire_all([(&a, Ask::default()), (&b, Ask::default())]));
        drop(both.expect("both are open"));
        join(leaver);
        assert_idle(&a, 1);
        assert_idle(&b, 1);
    });
}

/// Two requests that need the same three models (a draft, a target and a judge) and name them in different orders.
#[test]
fn three_locks_in_different_orders() {
    model("three locks in different orders", Bound::Complete, || {
        let locks = [(); 3].map(|()| engines::<1>());
        let theirs = locks.clone();
        let other = thread::spawn(move || {
            let [a, b, c] = &theirs;
            let all = block_on(acquire_all([c, b, a].map(|lock| (lock, Ask::default()))));
            all.expect("all are open").iter_mut().for_each(|lease| lease.enter());
        });
        let [a, b, c] = &locks;
        let all = block_on(acquire_all([a, c, b].map(|lock| (lock, Ask::default()))));
        all.expect("all are open").iter_mut().for_each(|lease| lease.enter());
        join(other);
        locks.iter().for_each(|lock| assert_idle(lock, 1));
    });
}
