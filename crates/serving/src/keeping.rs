//! Keeping a model: it is loaded at the start, let go when it is told to or nobody uses it, and loaded again for whoever
//! asks next.
//!
//! One task for each model does this, beside everything else. The queue of a model is there all the time: who asks while
//! the model is away, or is about to go, waits in the usual order and under the usual bounds, as during the first load.
//!
//! ```text
//! loading ──> ready ── told to let go, or idle for `unload_after` ──> each lane leaves when it is home
//!    ▲                                                                        │ (holders finish, who waits goes on waiting)
//!    └───────────── somebody waits or asks ── unloaded <── the engine is dropped
//! ```
//!
//! A load that fails is the end of a model that was never there, and otherwise [tried again](crate::faltering).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, Lane, LoadProgress, LoadedModel};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::canary;
use crate::instance::{Instance, Loaded};
use crate::quietly::quietly;
use crate::until::until;

/// Keeps the model of this instance until the service goes, or until it is clear that there will never be one.
pub(crate) async fn keep(instance: Arc<Instance>, backend: Arc<dyn Backend>, stop: CancellationToken) {
    let keep = async {
        while bring(&instance, backend.as_ref()).await {
            instance.reason_to_go().await;
            if !let_go(&instance).await {
                return;
            }
            instance.wanted().await;
        }
    };
    tokio::select! {
        biased;
        // A load is abandoned, and the backend frees what it had. The model has not failed: it is the service that goes,
        // which closes the lock and tells whoever waits.
        () = stop.cancelled() => {}
        () = keep => {}
    }
}

/// Loads the model and takes it into service, however often that has to be tried where it was there once. `false` if there
/// will never be one.
async fn bring(instance: &Arc<Instance>, backend: &dyn Backend) -> bool {
    let mut failures = 0;
    while let Err(reason) = load(instance, backend).await {
        if !instance.has_been_there() {
            instance.fail(reason);
            return false;
        }
        failures += 1;
        instance.falter(reason, failures).await;
    }
    true
}

/// Loads the model and takes it into service, or says why not.
async fn load(instance: &Arc<Instance>, backend: &dyn Backend) -> Result<(), String> {
    let progress: LoadProgress = {
        let instance = Arc::clone(instance);
        Arc::new(move |share| instance.set_progress(share))
    };
    match AssertUnwindSafe(backend.load(instance.spec.clone(), progress)).catch_unwind().await {
        Ok(Ok(model)) => take_into_service(instance, model),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the engine panicked while loading".into()),
    }
}

fn take_into_service(instance: &Instance, model: LoadedModel) -> Result<(), String> {
    let LoadedModel { info, encoder, lanes } = model;
    if lanes.is_empty() {
        // Without this, requests would wait for a lane that never comes.
        return Err("the engine offers no lane".into());
    }
    let (id, n_lanes, context_len) = (instance.id(), lanes.len(), info.context_len);
    quietly(|| tracing::info!(model = id, lanes = n_lanes, context_len, "model is loaded"));
    instance.ready(Loaded { info, encoder, number: instance.next_load() }, lanes);
    Ok(())
}

/// Takes every lane out of the lock as soon as it is home, and drops the engine. `false` if the model has failed
/// meanwhile.
///
/// # Cancel safety
/// Lanes that were not out yet stay in service.
async fn let_go(instance: &Instance) -> bool {
    let leaving = instance.begin_to_go();
    let ids = instance.lock.snapshot().lanes.into_iter().map(|lane| lane.id);
    let lanes: Vec<Option<Box<dyn Lane>>> = join_all(ids.map(|id| instance.lock.take_lane(id))).await;
    // Before the engine is dropped: nobody may take the model for loaded whose engine is going.
    let is_gone = instance.gone();
    drop((lanes, leaving));
    if is_gone {
        quietly(|| tracing::info!(model = instance.id(), "model is unloaded"));
        instance.tell_gone();
    }
    is_gone
}

impl Instance {
    /// Resolves when the model is to be let go: it was told to, it was idle for long enough, or it has failed.
    async fn reason_to_go(&self) {
        loop {
            // Made before the look, so that nothing that happens after it is missed.
            let stirred = self.stirred.notified();
            if self.is_told_to_go() || !self.is_loaded() {
                return;
            }
            match self.idle_until() {
                Some(end) => tokio::select! {
                    biased;
                    () = stirred => {}
                    () = sleep_until(end) => {
                        // A request may have come in this very instant.
                        if self.idle_until() == Some(end) {
                            return;
                        }
                    }
                },
                None => stirred.await,
            }
        }
    }

    /// When it will have been idle for long enough, if nobody comes; `None` while somebody uses it, or if it stays.
    fn idle_until(&self) -> Option<tokio::time::Instant> {
        let limit: Duration = self.unload_after?;
        if !self.live.is_empty() {
            return None;
        }
        Some(self.last_use() + limit)
    }

    /// Resolves when somebody wants the model, and makes it one that is being loaded.
    async fn wanted(&self) {
        let look = || {
            let waits = !self.live.is_empty() && !canary::forgets_waiters();
            ((waits || self.is_wanted()) && self.come_back()).then_some(())
        };
        until(&self.stirred, look).await;
    }
}
