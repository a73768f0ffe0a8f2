//! A lease goes home by itself, to the lock it came from and under the lane's own number, whatever was done with it.
//!
//! No method says where: a lease carries its lock along. That a lease of one type cannot stand in for one of another is a
//! matter of types, see `crates/model-locks-compile-fail`.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use model_locks::{Ask, Lease, ModelLock, Policy};

/// What every value knows of its home: which lock, and which lane.
type Home = (usize, u32);

const LOCKS: usize = 3;
const LANES: u32 = 3;

fn locks() -> Vec<ModelLock<Home>> {
    let lock = |lock| ModelLock::new((0..LANES).map(|lane| (lock, lane)), Policy::default());
    (0..LOCKS).map(lock).collect()
}

/// Every value of an idle lock is its own, and is where it was.
fn assert_all_are_home(locks: &[ModelLock<Home>]) {
    for (at, lock) in locks.iter().enumerate() {
        lock.close();
        let lanes = lock.take_lanes().expect("every lane is home");
        let expected = (0..LANES).map(|lane| (lane, (at, lane)));
        assert!(lanes.into_iter().map(|(id, home)| (id.get(), home)).eq(expected), "of lock {at}");
    }
}

/// A generator of xorshift: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Method: leases of three locks are taken, exchanged among each other, moved into other threads, dropped, given back as
/// unfit, dropped by a panic and repaired, at random; each value says where it belongs, and is looked at while it is
/// leased and when all is over.
#[test]
fn every_lease_goes_home_to_its_own_lock_and_lane() {
    const SEED: u64 = 0x70_1ea5e;
    println!("seed={SEED:x}");
    let mut dice = Dice(SEED);
    for _ in 0..100 {
        let locks = locks();
        let mut held: Vec<Lease<Home>> = Vec::new();
        for _ in 0..50 {
            step(&mut dice, &locks, &mut held);
            for lease in &held {
                assert_eq!(lease.1, lease.lane().get(), "a lease names the lane that it lends");
            }
        }
        drop(held);
        for lock in &locks {
            while let Some(repair) = lock.repair() {
                repair.finish();
            }
        }
        assert_all_are_home(&locks);
    }
}

fn step(dice: &mut Dice, locks: &[ModelLock<Home>], held: &mut Vec<Lease<Home>>) {
    let (choice, any) = (dice.below(8), dice.below(held.len().max(1)));
    match choice {
        0..=2 => held.extend(locks[dice.below(LOCKS)].try_acquire(Ask::default())),
        3 => {
            if let Some(repair) = locks[dice.below(LOCKS)].repair() {
                repair.finish();
            }
        }
        _ if held.is_empty() => {}
        4 => {
            let other = dice.below(held.len());
            held.swap(any, other);
            let (first, rest) = held.split_at_mut(1);
            rest.iter_mut().for_each(|lease| mem::swap(lease, &mut first[0]));
        }
        5 => {
            let lease = held.swap_remove(any);
            thread::spawn(move || drop(lease)).join().expect("nothing panics");
        }
        6 => held.swap_remove(any).quarantine("unfit"),
        _ => {
            let lease = held.swap_remove(any);
            // Without the panic hook, which would print each of these.
            let panics = AssertUnwindSafe(|| {
                let _lease = lease;
                std::panic::resume_unwind(Box::new(()));
            });
            assert!(catch_unwind(panics).is_err());
        }
    }
}

/// A lease that is overwritten by one of another lock ends there and then, and its lane is at its own home.
#[test]
fn a_lease_that_is_overwritten_goes_home() {
    let locks = locks();
    let mut lease = locks[0].try_acquire(Ask::default()).expect("three lanes are free");
    lease = mem::replace(&mut lease, locks[1].try_acquire(Ask::default()).expect("three lanes are free"));
    assert_eq!((locks[0].counts().leased, locks[1].counts().leased), (1, 0));
    assert_eq!(*lease, (0, 0));
    drop(lease);
    assert_all_are_home(&locks);
}

/// What is *not* prevented: whoever holds two leases of one type at once may exchange the values themselves, as with any
/// guard that gives `&mut T`. PROOFS.md says how a user closes that.
#[test]
fn values_that_two_holders_exchange_come_home_exchanged() {
    let locks = locks();
    let mut one = locks[0].try_acquire(Ask::default()).expect("three lanes are free");
    let mut other = locks[1].try_acquire(Ask::default()).expect("three lanes are free");
    mem::swap(&mut *one, &mut *other);
    drop((one, other));
    let first = |lock: &ModelLock<Home>| {
        lock.close();
        lock.take_lanes().expect("every lane is home").into_iter().find(|(id, _)| id.get() == 0).map(|(_, home)| home)
    };
    assert_eq!((first(&locks[0]), first(&locks[1])), (Some((1, 0)), Some((0, 0))));
}
