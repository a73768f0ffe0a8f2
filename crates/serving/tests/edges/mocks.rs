//! Mocks of the backend's traits, and a service over them.

use std::sync::Arc;

use async_trait::async_trait;
use backend::{
    Backend, Capabilities, Embedding, EncodedPrompt, EventStream, GenerateError, GenerateOptions, GenerateRequest,
    Lane, LaneBroken, LoadError, LoadProgress, LoadedModel, ModelInfo, ModelSource, ModelSpec, Prompt, PromptEncoder,
    PromptError,
};
use mockall::mock;
use serving::{Class, ModelConfig, Request, Service, ServiceConfig};

mock! {
    pub(crate) Engine {}
    #[async_trait]
    impl Backend for Engine {
        async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError>;
    }
}

mock! {
    pub(crate) Lane {}
    #[async_trait]
    impl Lane for Lane {
        fn generate<'lane>(&'lane mut self, request: GenerateRequest) -> EventStream<'lane>;
        async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError>;
        async fn quiesce(&mut self);
        async fn reset(&mut self) -> Result<(), LaneBroken>;
    }
}

/// Every prompt is one token.
pub(crate) struct OneToken;

#[async_trait]
impl PromptEncoder for OneToken {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        Ok(EncodedPrompt { prompt, tokens: vec![1] })
    }
}

pub(crate) fn spec() -> ModelSpec {
    ModelSpec { context_len: 8, ..ModelSpec::new("m", ModelSource::Embedded(b"weights")) }
}

pub(crate) fn service(engine: MockEngine) -> Service {
    service_of(spec(), engine)
}

fn service_of(spec: ModelSpec, engine: MockEngine) -> Service {
    let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
    Service::start(config, Arc::new(engine)).expect("a consistent configuration")
}

/// A backend whose one model has this lane.
pub(crate) fn with_lane(lane: MockLane) -> Service {
    with_lane_and_encoder(lane, Arc::new(OneToken))
}

/// The same with an encoder of one's own.
pub(crate) fn with_lane_and_encoder(lane: MockLane, encoder: Arc<dyn PromptEncoder>) -> Service {
    with_spec(spec(), lane, encoder)
}

/// The same with a word about the model.
pub(crate) fn with_spec(spec: ModelSpec, lane: MockLane, encoder: Arc<dyn PromptEncoder>) -> Service {
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(move |_, _| {
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        Ok(LoadedModel { info, encoder, lanes: vec![Box::new(lane)] })
    });
    service_of(spec, engine)
}

pub(crate) fn request(id: &str) -> Request {
    Request {
        id: id.into(),
        client: None,
        model: "m".into(),
        class: Class::Normal,
        prompt: Prompt::Text("x".into()),
        options: GenerateOptions::default(),
        max_tokens: None,
        queue_timeout: None,
    }
}
