//! Embeddings share the lock, the queue and the endings of generations; and prompts that are tokens already.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    Capabilities, Chat, Embedding, EncodedPrompt, EventStream, GenerateError, GenerateRequest, Lane, LaneBroken,
    LoadedModel, ModelInfo, Prompt, PromptEncoder, PromptError, TokenId,
};
use serving::{Class, EmbedRequest, Embeddings, Feature, Input, Refusal, Service};
use tokio::time::{Instant, sleep};

use crate::mocked_backend::answer;
use crate::mocks::{MockEngine, MockLane, request, service};

const HOLD: Duration = Duration::from_millis(100);

/// Every byte is a token. There is no template, and looking for one panics.
struct Letters;

#[async_trait]
impl PromptEncoder for Letters {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        let Prompt::Text(text) = &prompt else { return Err(PromptError::NoTemplate) };
        let tokens = text.bytes().map(TokenId::from).collect();
        Ok(EncodedPrompt { prompt, tokens })
    }

    async fn render(&self, _: Chat) -> Result<String, PromptError> {
        panic!("planted")
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        let bytes = |token| u8::try_from(token).map(|byte| vec![byte]).map_err(|_| PromptError::UnknownToken { token });
        tokens.into_iter().map(bytes).collect()
    }
}

fn over(lane: impl Lane, capabilities: Capabilities) -> Service {
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(move |_, _| {
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities };
        Ok(LoadedModel { info, encoder: Arc::new(Letters), lanes: vec![Box::new(lane)] })
    });
    service(engine)
}

fn embed(service: &Service, id: &str, inputs: &[&str]) -> Embeddings {
    let inputs = inputs.iter().map(|text| Input::Prompt(Prompt::Text((*text).to_owned()))).collect();
    submit(service, id, inputs)
}

fn submit(service: &Service, id: &str, inputs: Vec<Input>) -> Embeddings {
    let request = EmbedRequest {
        id: id.into(),
        client: None,
        model: "m".into(),
        class: Class::Normal,
        inputs,
        queue_timeout: None,
    };
    service.embed(request).expect("admitted")
}

/// A lane that takes 100 ms for each call, and whose engine goes on for 7 ms after it was asked to stop.
#[derive(Default)]
struct Slow {
    works: Arc<AtomicBool>,
}

#[async_trait]
impl Lane for Slow {
    fn generate(&mut self, _: GenerateRequest) -> EventStream<'_> {
        assert!(!self.works.load(Ordering::Relaxed), "entered while the engine still works");
        answer("text")
    }

    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        assert!(!self.works.swap(true, Ordering::Relaxed), "entered while the engine still works");
        sleep(HOLD).await;
        self.works.store(false, Ordering::Relaxed);
        let embed = |input: EncodedPrompt| Embedding { values: vec![input.tokens[0] as f32], tokens: 1 };
        Ok(inputs.into_iter().map(embed).collect())
    }

    async fn quiesce(&mut self) {
        if self.works.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(7)).await;
            self.works.store(false, Ordering::Relaxed);
        }
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        Ok(())
    }
}

/// S3 and L3: embeddings come in the order of their inputs, and stand in one queue with generations.
#[tokio::test(start_paused = true)]
async fn embeddings_wait_in_the_queue_and_come_in_the_order_of_their_inputs() {
    let service = over(Slow::default(), Capabilities::ALL);
    let first = embed(&service, "first", &["b", "a"]);
    let mut between = service.submit(request("between")).expect("admitted");
    let last = embed(&service, "last", &["c"]);
    let embedded = first.embedded().await.expect("embeddings");
    let values: Vec<_> = embedded.embeddings.iter().map(|embedding| embedding.values[0]).collect();
    assert_eq!((values, embedded.started.ticket), (vec![98.0, 97.0], 1));
    between.started().await.expect("an answer");
    while between.next().await.is_some() {}
    assert_eq!(last.embedded().await.expect("embeddings").started.ticket, 3);
    let history = service.models().remove(0).history;
    let served: Vec<_> = history.iter().map(|hold| (hold.request_id.as_str(), hold.ended.as_str())).collect();
    assert_eq!(served, [("first", "finished"), ("between", "finished"), ("last", "finished")]);
    assert_eq!(history[0].held(), Some(HOLD));
}

/// S4: the next one gets the lane when the engine has stopped, and not before; whoever waits gives its place back.
#[tokio::test(start_paused = true)]
async fn leaving_frees_the_lane_when_the_engine_has_stopped() {
    let service = over(Slow::default(), Capabilities::ALL);
    let first = embed(&service, "first", &["a"]);
    let waits = embed(&service, "waits", &["b"]);
    let last = embed(&service, "last", &["c"]);
    sleep(HOLD / 2).await;
    let left = Instant::now();
    drop((first, waits));
    last.embedded().await.expect("embeddings");
    assert_eq!(left.elapsed(), Duration::from_millis(7) + HOLD);
    let history = service.models().remove(0).history;
    let served: Vec<_> = history.iter().map(|hold| (hold.request_id.as_str(), hold.ended.as_str())).collect();
    assert_eq!(served, [("first", "cancelled"), ("last", "finished")]);
}

/// S8: embeddings under way end with the others when the time to drain is over.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_embeddings_after_its_deadline() {
    let service = over(Slow::default(), Capabilities::ALL);
    let embeddings = embed(&service, "r", &["a"]);
    sleep(HOLD / 4).await;
    let begun = Instant::now();
    let (ended, ()) = tokio::join!(embeddings.embedded(), service.shutdown(HOLD / 4));
    assert_eq!(ended, Err(Refusal::ShuttingDown));
    assert_eq!(begun.elapsed(), HOLD / 4 + Duration::from_millis(7));
}

/// S7: the request in hand fails, the lane is rebuilt, and the queue goes on. An engine that gives too few embeddings
/// has broken the contract, like one that says that it broke.
#[tokio::test(start_paused = true)]
async fn a_lane_that_breaks_is_rebuilt_before_its_next_use() {
    type Answer = fn() -> Result<Vec<Embedding>, GenerateError>;
    let rows: [(Answer, &str, usize); 3] = [
        (|| Err(GenerateError::LaneBroken { reason: "planted".into() }), "planted", 1),
        (|| Ok(vec![]), "the engine computed 0 embeddings of 1 inputs", 1),
        (|| Err(GenerateError::Failed { reason: "this once".into() }), "generation failed: this once", 0),
    ];
    for (broken, reason, resets) in rows {
        let mut lane = MockLane::new();
        lane.expect_embed().times(1).returning(move |_| broken());
        lane.expect_embed().returning(|_| Ok(vec![Embedding { values: vec![1.0], tokens: 1 }]));
        lane.expect_quiesce().returning(|| ());
        lane.expect_reset().times(resets).returning(|| Ok(()));
        let service = over(lane, Capabilities::ALL);
        let (first, second) = (embed(&service, "first", &["a"]), embed(&service, "second", &["b"]));
        assert_eq!(first.embedded().await, Err(Refusal::Backend { model: "m".into(), reason: reason.into() }));
        assert_eq!(second.embedded().await.expect("the queue goes on").embeddings.len(), 1);
    }
}

/// A prompt of a generation and an input of embeddings are refused alike, and before their turn comes.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_embedded_is_refused_without_waiting() {
    let service = over(Slow::default(), Capabilities::default());
    let unsupported = Refusal::Unsupported { model: "m".into(), feature: Feature::Embeddings };
    assert_eq!(embed(&service, "r", &["a"]).embedded().await, Err(unsupported));

    let service = over(Slow::default(), Capabilities::ALL);
    let holds = embed(&service, "holds", &["a"]);
    let rows = [
        (vec![], PromptError::Empty),
        (vec![7; 8], PromptError::TooLong { tokens: 8, context_len: 8 }),
        (vec![7, 256], PromptError::UnknownToken { token: 256 }),
    ];
    let begun = Instant::now();
    for (tokens, error) in rows {
        let good = Input::Prompt(Prompt::Text("a".into()));
        let refused = submit(&service, "r", vec![good, Input::Tokens(tokens.clone())]).embedded().await;
        assert_eq!(refused, Err(Refusal::Input { index: 1, error: error.clone() }));
        let refused = submit(&service, "r", vec![Input::Tokens(tokens.clone())]).embedded().await;
        assert_eq!(refused, Err(Refusal::Prompt(error.clone())), "the only one needs no number");
        let mut generation = service.submit_tokens(request("t"), tokens).expect("admitted");
        assert_eq!(generation.started().await, Err(Refusal::Prompt(error)));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    holds.embedded().await.expect("embeddings");
}

#[tokio::test(start_paused = true)]
async fn tokens_reach_the_lane_as_they_are_with_the_text_that_they_are() {
    let mut lane = MockLane::new();
    lane.expect_generate().times(1).returning(|request| {
        let expected = EncodedPrompt { prompt: Prompt::Text("h\u{fffd}i".into()), tokens: vec![104, 255, 105] };
        assert_eq!(request.prompt, expected);
        answer("fine")
    });
    lane.expect_quiesce().returning(|| ());
    let service = over(lane, Capabilities::ALL);
    let mut generation = service.submit_tokens(request("r"), vec![104, 255, 105]).expect("admitted");
    generation.started().await.expect("an answer");
}

/// S7 for those who only look.
#[tokio::test(start_paused = true)]
async fn an_encoder_that_panics_fails_who_asked() {
    let service = over(MockLane::new(), Capabilities::ALL);
    let encoding = service.encoding("m").await.expect("it is loaded");
    let panicked = PromptError::Failed { reason: "the encoder panicked".into() };
    assert_eq!(encoding.render(Chat::default()).await, Err(Refusal::Prompt(panicked)));
    assert_eq!(encoding.token_bytes(vec![97]).await, Ok(vec![vec![97]]));
    assert_eq!((encoding.model(), encoding.info().context_len), ("m", 8));
    assert!(matches!(service.encoding("none").await, Err(Refusal::UnknownModel { .. })));
}
