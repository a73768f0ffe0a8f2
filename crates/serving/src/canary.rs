//! Planted bugs, to show that the tests of the promises notice them.
//!
//! Inert in every build but one with the feature `canary`, where the environment variable
//! `EDISON_CANARY` names the bug. Each of the functions is asked in one place.

use model_locks::Policy;

/// Whether the bug of this name is planted.
#[cfg(feature = "canary")]
fn planted(name: &str) -> bool {
    std::env::var("EDISON_CANARY").is_ok_and(|planted| planted == name)
}

/// Whether the bug of this name is planted: never.
#[cfg(not(feature = "canary"))]
const fn planted(_: &str) -> bool {
    false
}

/// How many lanes to ask the backend for. The bug: everybody is let in at once, as if there were no lock (L1).
///
/// A lane is owned and cannot be lent twice, so the absence of a lock is played by many lanes into what the
/// mock backend, told so, makes one engine.
pub(crate) fn lanes(wanted: u32) -> u32 {
    if planted("no_lock") { 64 } else { wanted }
}

/// The policy of a model's lock. The bugs: the newest waiter is served first (L3), one too many may wait (L5), the lowest
/// class is passed over for ever (L4), a lane that was granted to somebody who leaves is lost (L7).
pub(crate) fn policy(policy: Policy) -> Policy {
    let mut policy = policy;
    if planted("overfull") {
        policy.queue_max += 1;
    }
    if planted("starves") {
        policy.bypass_max = [u32::MAX; 3];
    }
    #[cfg(feature = "canary")]
    let policy = Policy { canary_lifo: planted("lifo"), canary_loses_grants: planted("loses_grants"), ..policy };
    policy
}

/// Whether the lane goes home before the engine has stopped. The bug: the next request enters too early (S4).
pub(crate) fn releases_early() -> bool {
    planted("early_release")
}

/// Whether the client is told the end before the outcome is written and the lane is home (S2).
pub(crate) fn tells_early() -> bool {
    planted("tells_early")
}

/// Whether a request that waits goes on waiting although its client has left (S4).
pub(crate) fn waits_on() -> bool {
    planted("waits_on")
}

/// Whether an engine works on although the client has left (S4).
pub(crate) fn works_on() -> bool {
    planted("works_on")
}

/// How often a token is counted. The bug: twice.
pub(crate) fn counts() -> usize {
    if planted("counts_twice") { 2 } else { 1 }
}

/// Whether a request that is refused at once leaves no record (S2).
pub(crate) fn forgets_refusals() -> bool {
    planted("forgets_refusals")
}

/// Whether a broken lane is lent again as it is (L9, S7).
pub(crate) fn skips_reset() -> bool {
    planted("skips_reset")
}

/// Whether a model that was let go stays away although somebody waits for it (L6).
pub(crate) fn forgets_waiters() -> bool {
    planted("forgets_waiters")
}

/// Whether nobody who waits is told that the model cannot be loaded again (L6).
pub(crate) fn keeps_quiet() -> bool {
    planted("keeps_quiet")
}

/// Whether a model that cannot be loaded again is not tried again (L6).
pub(crate) fn gives_up() -> bool {
    planted("gives_up")
}

/// Whether a drain gives nobody time to finish (S8).
pub(crate) fn is_hasty() -> bool {
    planted("hasty")
}

/// Whether text is dropped that a slow client has no room for (S3).
pub(crate) fn drops_text() -> bool {
    planted("drops_text")
}

/// A lock that all models share. The bug: one model's request waits for another's (L12, S5).
#[cfg(feature = "canary")]
pub(crate) async fn global_lock() -> Option<model_locks::Lease<()>> {
    use model_locks::{Acquire, Ask, Class, ModelLock};

    thread_local! {
        // One for each thread, as whoever plants it has a runtime on one thread, and others beside it.
        static GLOBAL: ModelLock<()> = ModelLock::new([()], Policy { queue_max: usize::MAX, ..Policy::default() });
    }
    if !planted("global_lock") {
        return None;
    }
    let wait: Acquire<()> = GLOBAL.with(|lock| lock.acquire(Ask::new(Class::Normal)));
    wait.await.ok()
}

/// A lock that all models share: there is none.
#[cfg(not(feature = "canary"))]
pub(crate) async fn global_lock() {}
