//! One life of the mock: a service over a scripted engine, and what is known of its requests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use backend::{Backend, LoadError, LoadProgress, LoadedModel, ModelSpec};
use backend_mock::{MockBackend, Stage, request_of};
use serving::{OutcomeObserver, Service};

use super::journal::Log;
use super::script::Script;
use crate::app::{AppOptions, app};
use crate::metrics::Metrics;

/// A script that is being played. A reset or another script begins another one.
pub(super) struct World {
    pub(super) script: Script,
    pub(super) service: Service,
    pub(super) stage: Stage,
    pub(super) engines: Arc<backend_mock::Journal>,
    pub(super) log: Arc<Log>,
    /// The production app over this service.
    pub(super) app: Router,
}

impl World {
    /// Begins to play. To be called within a tokio runtime; the script has been checked.
    pub(super) fn new(script: Script, options: AppOptions) -> Result<Self, String> {
        let backend = MockBackend::new(script.engine());
        let (stage, engines) = (backend.stage(), backend.journal());
        let log = Arc::new(Log::new());
        // Each life counts from 0.
        let metrics = Metrics::default();
        let observer: OutcomeObserver = {
            let (log, count) = (Arc::clone(&log), metrics.observer());
            Arc::new(move |outcome| {
                count(outcome);
                log.ended(outcome);
            })
        };
        let retries = script.played().iter().filter_map(|m| Some((m.name.clone(), m.load_retry?.0))).collect();
        let backend = Arc::new(Retrying { backend, retries });
        let service =
            Service::start_observed(script.service(), backend, observer).map_err(|error| error.to_string())?;
        let app = app(service.clone(), AppOptions { metrics, ..options });
        Ok(Self { script, service, stage, engines, log, app })
    }

    /// Whether a request, or any part of it, is still under way in the service.
    pub(super) fn has(&self, request_id: &str) -> bool {
        self.service.is_under_way(|id| request_of(id) == request_id || id == request_id)
    }
}

/// Loads again after a failure, where the script says when.
struct Retrying {
    backend: MockBackend,
    retries: Vec<(String, Duration)>,
}

#[async_trait]
impl Backend for Retrying {
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError> {
        let pause = self.retries.iter().find(|(name, _)| *name == spec.name).map(|(_, pause)| *pause);
        loop {
            match (self.backend.load(spec.clone(), Arc::clone(&progress)).await, pause) {
                (Err(LoadError::Failed { reason }), Some(pause)) => {
                    tracing::info!(model = spec.name, reason, "loading again in {pause:?}");
                    tokio::time::sleep(pause).await;
                }
                (loaded, _) => return loaded,
            }
        }
    }
}
