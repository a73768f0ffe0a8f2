//! Loading a model, once, beside everything else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use backend::{Backend, LoadProgress, LoadedModel};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::instance::{Instance, Loaded};
use crate::quietly::quietly;

/// Loads the model of this instance and takes it into service, or says why it never will be.
pub(crate) async fn load(instance: Arc<Instance>, backend: Arc<dyn Backend>, stop: CancellationToken) {
    let progress: LoadProgress = {
        let instance = Arc::clone(&instance);
        Arc::new(move |share| instance.set_progress(share))
    };
    let load = AssertUnwindSafe(backend.load(instance.spec.clone(), progress)).catch_unwind();
    let loaded = tokio::select! {
        biased;
        // The load is abandoned, and the backend frees what it had. The model has not failed: it is the service that
        // goes, which closes the lock and tells whoever waits.
        () = stop.cancelled() => return,
        loaded = load => loaded,
    };
    match loaded {
        Ok(Ok(model)) => take_into_service(&instance, model),
        Ok(Err(error)) => instance.fail(error.to_string()),
        Err(_) => instance.fail("the engine panicked while loading".into()),
    }
}

fn take_into_service(instance: &Instance, model: LoadedModel) {
    let LoadedModel { info, encoder, lanes } = model;
    if lanes.is_empty() {
        // Without this, requests would wait for a lane that never comes.
        instance.fail("the engine offers no lane".into());
        return;
    }
    let (id, n_lanes, context_len) = (instance.id(), lanes.len(), info.context_len);
    quietly(|| tracing::info!(model = id, lanes = n_lanes, context_len, "model is loaded"));
    instance.ready(Loaded { info, encoder }, lanes);
}
