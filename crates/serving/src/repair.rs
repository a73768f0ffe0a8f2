//! Rebuilding lanes whose engine broke or whose holder panicked.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use backend::{Lane, LaneBroken};
use futures_util::FutureExt;

use crate::canary;
use crate::instance::Instance;
use crate::quietly::quietly;

/// Rebuilds every quarantined lane of this model. A lane that cannot be rebuilt is taken out of service;
/// with the last one the model goes.
pub(crate) async fn repair(instance: Arc<Instance>) {
    while let Some(mut lane) = instance.lock.repair() {
        let rebuilt = AssertUnwindSafe(rebuild(lane.as_mut())).catch_unwind().await;
        let broken = match rebuilt {
            Ok(Ok(())) => {
                let (id, reason) = (lane.lane(), lane.reason().to_string());
                lane.finish();
                quietly(|| tracing::warn!(model = instance.id(), lane = %id, reason, "lane was rebuilt"));
                continue;
            }
            Ok(Err(LaneBroken { reason })) => reason,
            Err(_) => "the engine panicked while it was rebuilt".to_string(),
        };
        drop(lane.retire());
        // Where the model is being let go, the others are out already, and the next load makes all of them anew.
        if instance.lock.snapshot().lanes.is_empty() && !instance.is_going() {
            instance.fail(broken);
        }
    }
}

/// The engine may still work for the request that broke the lane, so it stops first.
async fn rebuild(lane: &mut dyn Lane) -> Result<(), LaneBroken> {
    lane.quiesce().await;
    if canary::skips_reset() {
        return Ok(());
    }
    lane.reset().await
}
