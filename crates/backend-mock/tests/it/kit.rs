//! What these tests share.

use std::sync::Arc;
use std::time::Duration;

use backend::conformance::kit;
use backend::{Backend, GenerateRequest, Lane, LoadedModel, ModelSource, ModelSpec};
use backend_mock::{Journal, MockBackend, MockConfig, ModelScript};
use tokio::time::Instant;

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a load of the model `fast` asks for.
pub(crate) fn spec(lanes: u32) -> ModelSpec {
    let source = ModelSource::Embedded(&[]);
    ModelSpec { lanes, ..ModelSpec::new("fast", source) }
}

/// One model, `fast`, loaded with one lane.
pub(crate) struct Bench {
    pub(crate) model: LoadedModel,
    pub(crate) lane: Box<dyn Lane>,
    pub(crate) journal: Arc<Journal>,
    start: Instant,
}

impl Bench {
    pub(crate) async fn new(script: ModelScript) -> Self {
        Self::with(MockConfig::default().with_model("fast", script)).await
    }

    pub(crate) async fn with(config: MockConfig) -> Self {
        let mock = MockBackend::new(config);
        let mut model = mock.load(spec(1), Arc::new(|_| {})).await.unwrap();
        let lane = kit::only_lane(&mut model);
        Self { model, lane, journal: mock.journal(), start: Instant::now() }
    }

    /// Time since the load.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A request whose answer is this text: one token a byte, and one that ends it.
    pub(crate) async fn repeat(&self, text: &str) -> GenerateRequest {
        kit::request(&self.model, kit::repeat(text)).await
    }
}

/// A script that takes time: 1 ms for each token of the prompt, 10 ms for each of the answer, 70 ms to stop.
pub(crate) fn slow() -> ModelScript {
    ModelScript { prefill_per_token: ms(1), time_per_token: ms(10), stop_delay: ms(70), ..ModelScript::default() }
}

/// The text of a panic.
pub(crate) fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_string(),
    }
}
