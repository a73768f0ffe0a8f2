//! Planted bugs, to show that the tests of the promises notice them.
//!
//! Inert in every build but one with the feature `canary`, where the environment variable
//! `EDISON_CANARY` names the bug. Each of the four functions is asked in one place.

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

/// The policy of a model's lock. The bug: the newest waiter is served first (L3).
pub(crate) fn policy(policy: Policy) -> Policy {
    #[cfg(feature = "canary")]
    let policy = Policy { canary_lifo: planted("lifo"), ..policy };
    policy
}

/// Whether the lane goes home before the engine has stopped. The bug: the next request enters too early (S4).
pub(crate) fn releases_early() -> bool {
    planted("early_release")
}

/// A lock that all models share. The bug: one model's request waits for another's (L12, S5).
#[cfg(feature = "canary")]
pub(crate) async fn global_lock() -> Option<model_locks::Lease<()>> {
    use std::sync::OnceLock;

    use model_locks::{Ask, Class, ModelLock};

    static GLOBAL: OnceLock<ModelLock<()>> = OnceLock::new();
    if !planted("global_lock") {
        return None;
    }
    let lock = GLOBAL.get_or_init(|| ModelLock::new([()], Policy::default()));
    lock.acquire(Ask::new(Class::Normal)).await.ok()
}

/// A lock that all models share: there is none.
#[cfg(not(feature = "canary"))]
pub(crate) async fn global_lock() {}
