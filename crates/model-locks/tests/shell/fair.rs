//! Fair share among the clients of a class.

use std::num::NonZeroU16;

use model_locks::{AcquireError, Ask, Class, Counts, Lease, ModelLock, Patience, Policy};

use crate::support::{Wait, held_with, queue};

fn fair() -> Policy {
    Policy { fair_share: true, ..Policy::default() }
}

fn of(client: u64) -> Ask {
    Ask::default().client(client).tag(client)
}

/// One that weighs twice as much as others.
fn heavy(client: u64) -> Ask {
    of(client).weight(NonZeroU16::new(2).expect("two is not zero"))
}

/// A lock whose only lane is held by somebody else, and one wait for each of these asks.
fn queued(asks: &[Ask]) -> (ModelLock<u32>, Lease<u32>, Vec<Wait<u32>>) {
    let (lock, lease) = held_with(fair());
    let waits = asks.iter().map(|&ask| queue(&lock, ask)).collect();
    (lock, lease, waits)
}

/// The tags of those who are served, one after the other, when each of them uses this much.
fn serve(lease: Lease<u32>, mut waits: Vec<Wait<u32>>, cost: impl Fn(u64) -> u64) -> Vec<u64> {
    drop(lease);
    let mut served = Vec::new();
    while let Some(next) = waits.iter().position(|wait| wait.wakes() > 0) {
        let lease = waits.remove(next).lease();
        lease.charge(cost(lease.tag()));
        served.push(lease.tag());
        drop(lease);
    }
    assert!(waits.is_empty(), "somebody was forgotten");
    served
}

/// Without the policy, clients and weights mean nothing, and charging does nothing.
#[test]
fn it_is_off_unless_asked_for() {
    let (lock, lease) = held_with(Policy::default());
    let waits = [of(1), of(1), heavy(2), of(1)].map(|ask| queue(&lock, ask));
    assert_eq!(serve(lease, waits.into(), |_| 1000), [1, 1, 2, 1]);
}

#[test]
fn clients_that_count_nothing_take_turns() {
    let (_lock, lease, waits) = queued(&[of(1), of(1), of(1), of(2), of(2), of(3)]);
    assert_eq!(serve(lease, waits, |_| 0), [1, 2, 3, 1, 2, 1]);
}

/// Method: the tags tell the three apart that name no client.
#[test]
fn those_who_do_not_say_are_one_client() {
    let anybody = |tag| Ask::default().tag(tag);
    let (_lock, lease, waits) = queued(&[anybody(91), anybody(92), anybody(93), of(1), of(1)]);
    assert_eq!(serve(lease, waits, |_| 0), [91, 1, 92, 1, 93]);
}

#[test]
fn what_is_shared_is_service_and_not_holds() {
    let asks = [[of(1); 2].as_slice(), &[of(2); 12]].concat();
    let (_lock, lease, waits) = queued(&asks);
    let served = serve(lease, waits, |client| if client == 1 { 9 } else { 0 });
    assert_eq!(served, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2]);
}

#[test]
fn one_of_twice_the_weight_is_served_twice_as_often() {
    let asks = [[of(1); 4].as_slice(), &[heavy(2); 8]].concat();
    let (_lock, lease, waits) = queued(&asks);
    let served = serve(lease, waits, |_| 5);
    assert_eq!(served, [1, 2, 2, 1, 2, 2, 1, 2, 2, 1, 2, 2]);
}

/// A client may change its weight; the latest ask says what it is.
#[test]
fn the_weight_of_the_latest_ask_holds() {
    let asks = [[heavy(1)].as_slice(), &[of(1); 4], &[of(2); 4]].concat();
    let (_lock, lease, waits) = queued(&asks);
    assert_eq!(serve(lease, waits, |_| 5), [1, 2, 1, 2, 1, 2, 1, 2, 1]);
}

/// Method: two lanes. The first holder counts what it uses while it goes on, and the next grant must know.
#[test]
fn use_counts_before_the_lease_ends() {
    let lock = ModelLock::new([1, 2], fair());
    let first = lock.try_acquire(of(1)).expect("a lane is free");
    let other = lock.try_acquire(of(3)).expect("a lane is free");
    let (mut one, mut two) = (queue(&lock, of(1)), queue(&lock, of(2)));
    // Until then they are equals, and client 1 came first.
    first.charge(1);
    drop(other);
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    drop(two.lease());
    drop((one.lease(), first));
    assert_eq!(lock.counts(), Counts { free: 2, ..Counts::default() });
}

/// Method: client 1 is granted a free lane and charged one unit, so client 2 is served twice before it.
#[test]
fn a_lane_that_was_free_counts_as_well() {
    let lock = ModelLock::new([1], fair());
    let lease = lock.try_acquire(of(1)).expect("the lane is free");
    lease.charge(1);
    let waits = [of(2), of(1), of(2), of(2)].map(|ask| queue(&lock, ask));
    assert_eq!(serve(lease, waits.into(), |_| 0), [2, 2, 1, 2]);
}

/// Method: client 1 has used much in one class, and nothing in the other.
#[test]
fn each_class_has_counters_of_its_own() {
    let (lock, lease, mut waits) = queued(&[of(1), of(1), of(2)]);
    drop(lease);
    let lease = waits.remove(0).lease();
    lease.charge(1000);
    let low = |client| Ask::new(Class::Background).client(client).tag(client + 10);
    waits.extend([low(1), low(2)].map(|ask| queue(&lock, ask)));
    assert_eq!(serve(lease, waits, |_| 0), [2, 1, 11, 12]);
}

/// Method: client 1 is served alone for a while; client 2 comes then and is not owed all that.
#[test]
fn a_newcomer_is_owed_nothing_for_the_time_before() {
    let (lock, lease, mut waits) = queued(&[of(1); 8]);
    drop(lease);
    for _ in 0..4 {
        waits.remove(0).lease().charge(9);
    }
    let lease = waits.remove(0).lease();
    waits.extend((0..3).map(|_| queue(&lock, of(2))));
    // They are equal now, and the fifth lease of client 1 has cost what every lease costs.
    lease.charge(9);
    assert_eq!(serve(lease, waits, |_| 9), [2, 1, 2, 1, 2, 1]);
}

/// Method: client 1 uses much, leaves, and comes back at once, while client 2 waits all the time.
#[test]
fn leaving_for_a_moment_wipes_nothing_out() {
    let (lock, lease, mut waits) = queued(&[of(1), of(2), of(2), of(2)]);
    drop(lease);
    let lease = waits.remove(0).lease();
    lease.charge(2);
    drop(lease);
    let lease = waits.remove(0).lease();
    drop(queue(&lock, of(1)));
    waits.insert(0, queue(&lock, of(1)));
    assert_eq!(serve(lease, waits, |_| 0), [2, 2, 1]);
}

/// Method: the snapshot is compared with what happens, with classes, weights and counters that are not even.
#[test]
fn a_snapshot_shows_the_order_of_service() {
    let low = |client| Ask::new(Class::Background).client(client);
    let asks = [of(1), of(1), heavy(2), of(3), heavy(2), heavy(2), low(1), low(1), low(2), heavy(2), of(1)];
    let tagged: Vec<_> = (0..).zip(asks).map(|(tag, ask)| ask.tag(tag)).collect();
    let (lock, lease, mut waits) = queued(&tagged);
    drop(lease);
    let lease = waits.remove(0).lease();
    lease.charge(3);
    let shown: Vec<_> = lock.snapshot().waiting.iter().map(|waiter| waiter.tag).collect();
    assert_eq!(serve(lease, waits, |_| 0), shown);
}

#[test]
fn leaving_changes_nothing_for_the_others() {
    let asks = [of(1).tag(11), of(1).tag(12), of(2).tag(21), of(1).tag(13), of(2).tag(22)];
    let without = [[12, 21, 13, 22], [11, 21, 13, 22], [11, 22, 12, 13], [11, 21, 12, 22], [11, 21, 12, 13]];
    for (gone, expected) in without.into_iter().enumerate() {
        let (_lock, lease, mut waits) = queued(&asks);
        drop(waits.remove(gone));
        assert_eq!(serve(lease, waits, |_| 0), expected, "without the wait number {gone}");
    }
}

/// Method: the first of client 1 does not claim its lane in time. Client 2 gets it; when the first is polled again, it
/// is before the later one of its client, for which the grant was counted all the same.
#[test]
fn a_parked_waiter_keeps_its_place_within_its_client() {
    let (lock, lease, mut waits) = queued(&[of(1).tag(11), of(2).tag(21), of(1).tag(12), of(2).tag(22)]);
    drop(lease);
    assert_eq!(lock.sweep(0, Patience { report: 0, revoke: 0 }).revoked.len(), 1);
    let mut parked = waits.remove(0);
    assert_eq!(parked.wakes(), 1);
    let lease = waits.remove(0).lease();
    assert!(parked.poll().is_pending(), "the lane is gone");
    drop(lease);
    drop(parked.lease());
    assert_eq!(waits.iter().map(Wait::wakes).collect::<Vec<_>>(), [0, 1]);
    drop(waits.remove(1).lease());
    drop(waits.remove(0).lease());
    assert_eq!(lock.counts(), Counts { free: 1, ..Counts::default() });
}

#[test]
fn a_superseding_ask_queues_at_the_end_of_its_client() {
    let keyed = |tag| of(1).tag(tag).supersede(5);
    let (lock, lease, mut waits) = queued(&[keyed(11), of(1).tag(12), of(2).tag(21)]);
    waits.push(queue(&lock, keyed(13)));
    assert_eq!(waits.remove(0).refusal(), AcquireError::Superseded);
    assert_eq!(serve(lease, waits, |_| 0), [12, 21, 13]);
}

#[test]
fn closing_refuses_all_clients() {
    let (lock, lease, mut waits) =
        queued(&[of(1), of(2), of(1), Ask::default(), Ask::new(Class::Background).client(1)]);
    lock.close();
    for wait in &mut waits {
        assert_eq!((wait.wakes(), wait.refusal()), (1, AcquireError::Closed));
    }
    // The holder may go on counting.
    lease.charge(7);
    drop(lease);
    assert_eq!(lock.counts(), Counts { free: 1, closed: true, ..Counts::default() });
}

/// The promise in numbers. Method: two clients wait without a break at a lock of three lanes; their holds differ in
/// cost and in length. What each has used, divided by its weight, is compared after every step.
#[test]
fn service_of_two_who_wait_never_drifts_apart() {
    const LANES: i64 = 3;
    const COSTS: [u64; 7] = [0, 19, 3, 1, 19, 7, 0];
    const DEAREST: i64 = 20;
    let weights = [1, 2];
    let lock = ModelLock::new(0..LANES, Policy { queue_max: 8, ..fair() });
    let asks = [of(0), heavy(1)];
    let mut leases: Vec<_> = (0..LANES).map(|_| lock.try_acquire(of(9)).expect("a lane is free")).collect();
    let mut waits: Vec<Wait<i64>> = [0, 1, 0, 1, 0, 1, 0, 1].map(|client| queue(&lock, asks[client])).into();
    // Twice the service, so that the half is whole.
    let (mut used, mut extremes) = ([0_i64; 2], [0_i64; 2]);
    for turn in 0..2000 {
        let lease = leases.remove(turn * 7 % 3 % leases.len());
        if lease.tag() < 2 {
            let units = COSTS[turn % COSTS.len()];
            lease.charge(units);
            used[lease.tag() as usize] += 2 * units as i64 / weights[lease.tag() as usize];
        }
        drop(lease);
        let next = waits.iter().position(|wait| wait.wakes() > 0).expect("a lane went to somebody");
        let lease = waits.remove(next).lease();
        let client = lease.tag() as usize;
        used[client] += 2 / weights[client];
        waits.push(queue(&lock, asks[client]));
        leases.push(lease);
        let ahead = used[0] - used[1];
        assert!(ahead.abs() <= 2 * LANES * DEAREST, "turn {turn}: one is ahead by {ahead} half units");
        extremes = [extremes[0].min(ahead), extremes[1].max(ahead)];
    }
    assert!(extremes[1] - extremes[0] <= 2 * 2 * LANES * DEAREST);
    assert!(used[0] > 10_000, "they were hardly served at all");
}
