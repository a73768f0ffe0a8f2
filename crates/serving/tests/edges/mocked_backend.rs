//! The edges between the service and its backend: what fails, breaks and panics behind the contract.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend::{
    Capabilities, Event, EventStream, Finish, FinishReason, GenerateError, LaneBroken, LoadError, LoadedModel,
    ModelInfo, Token, Usage,
};
use futures_util::stream;
use mockall::Sequence;
use serving::{Ended, LoadState, ModelConfig, Outcome, Phase, Progress, Refusal, Service, ServiceConfig};

use crate::mocks::{MockEngine, MockLane, OneToken, request, service, spec, with_lane};

pub(crate) fn answer(text: &str) -> EventStream<'static> {
    answer_at(text, Usage { prompt_tokens: 1, cached_tokens: 0, completion_tokens: 1, ..Usage::default() })
}

/// The same at this cost.
pub(crate) fn answer_at(text: &str, usage: Usage) -> EventStream<'static> {
    Box::pin(stream::iter([
        Ok(Event::Prompt { processed: 1, total: 1 }),
        Ok(Event::Token(Token::text(text))),
        Ok(Event::Finish(Finish { reason: FinishReason::Stop, usage })),
    ]))
}

pub(crate) fn broken() -> EventStream<'static> {
    Box::pin(stream::iter([Err(GenerateError::LaneBroken { reason: "planted".into() })]))
}

fn refusal_of_load(service: &Service) -> String {
    match service.models().remove(0).state {
        LoadState::Failed { reason, .. } => reason,
        state => panic!("expected a failed load, found {state:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_is_told_to_who_waits_and_to_who_comes_later() {
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(|_, _| Err(LoadError::Failed { reason: "planted".into() }));
    let service = service(engine);
    let mut early = service.submit(request("early")).expect("the load has not failed yet");
    let told = early.started().await.expect_err("the model never comes");
    assert_eq!(
        told,
        Refusal::ModelUnavailable { model: "m".into(), reason: "loading failed: planted".into(), retry_after: None }
    );
    assert_eq!(service.submit(request("late")).expect_err("the model failed"), told);
}

/// Without the check, requests would wait for a lane that never comes.
#[tokio::test(start_paused = true)]
async fn a_backend_without_lanes_is_a_failed_load() {
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(|_, _| {
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        Ok(LoadedModel { info, encoder: Arc::new(OneToken), lanes: vec![] })
    });
    let service = service(engine);
    service.loaded().await;
    assert_eq!(refusal_of_load(&service), "the engine offers no lane");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_loading_fails_that_model_only() {
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(|_, _| panic!("planted"));
    let service = service(engine);
    service.loaded().await;
    assert_eq!(refusal_of_load(&service), "the engine panicked while loading");
}

/// A broken lane is stopped, rebuilt and lent to the request that waits behind; only the one in hand fails.
#[tokio::test(start_paused = true)]
async fn a_broken_lane_is_quiesced_then_reset_then_lent_again() {
    let mut lane = MockLane::new();
    let mut order = Sequence::new();
    lane.expect_generate().times(1).in_sequence(&mut order).returning(|_| broken());
    // Once after the generation, once before the reset: nothing may rebuild an engine that still works.
    lane.expect_quiesce().times(2).in_sequence(&mut order).returning(|| ());
    lane.expect_reset().times(1).in_sequence(&mut order).returning(|| Ok(()));
    lane.expect_generate().times(1).in_sequence(&mut order).returning(|_| answer("fine"));
    lane.expect_quiesce().times(1).in_sequence(&mut order).returning(|| ());
    let service = with_lane(lane);
    let mut first = service.submit(request("first")).expect("admitted");
    let mut second = service.submit(request("second")).expect("admitted");
    let failed = first.started().await.expect_err("the engine broke before the first token");
    assert_eq!(failed, Refusal::Backend { model: "m".into(), reason: "planted".into() });
    assert_eq!(second.started().await.expect("the queue goes on").ticket, 2);
    assert_eq!(second.next().await, Some(Progress::Token(Token::text("fine"))));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_rebuilt_takes_its_model_out_of_service() {
    let mut lane = MockLane::new();
    lane.expect_generate().times(1).returning(|_| broken());
    lane.expect_quiesce().returning(|| ());
    lane.expect_reset().times(1).returning(|| Err(LaneBroken { reason: "gone".into() }));
    let service = with_lane(lane);
    let mut first = service.submit(request("first")).expect("admitted");
    let mut second = service.submit(request("second")).expect("admitted");
    assert!(first.started().await.is_err());
    let told = second.started().await.expect_err("there is no lane left");
    assert_eq!(told, Refusal::ModelUnavailable { model: "m".into(), reason: "gone".into(), retry_after: None });
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_rebuilding_counts_as_a_lane_that_is_gone() {
    let mut lane = MockLane::new();
    lane.expect_generate().times(1).returning(|_| panic!("planted"));
    lane.expect_quiesce().returning(|| ());
    lane.expect_reset().times(1).returning(|| panic!("planted again"));
    let service = with_lane(lane);
    let mut first = service.submit(request("first")).expect("admitted");
    let mut second = service.submit(request("second")).expect("admitted");
    assert!(first.started().await.is_err());
    assert!(matches!(second.started().await, Err(Refusal::ModelUnavailable { .. })));
}

/// An engine that ends its events without a finish broke the contract, so nothing it says is believed.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_finish_is_a_failure_never_a_success() {
    let mut lane = MockLane::new();
    lane.expect_generate().times(1).returning(|_| Box::pin(stream::iter([Ok(Event::Token(Token::text("half")))])));
    lane.expect_quiesce().returning(|| ());
    lane.expect_reset().returning(|| Ok(()));
    let service = with_lane(lane);
    let mut generation = service.submit(request("r")).expect("admitted");
    generation.started().await.expect("a token came");
    assert_eq!(generation.next().await, Some(Progress::Token(Token::text("half"))));
    assert!(matches!(generation.next().await, Some(Progress::Failed(_))));
    assert_eq!(generation.next().await, None);
}

/// The ending is not in the buffer with the text, so a full buffer cannot swallow it.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_loses_its_lane_and_is_told_why() {
    let mut lane = MockLane::new();
    lane.expect_generate().times(1).returning(|_| {
        let text = |_| Ok(Event::Token(Token::text("t")));
        Box::pin(stream::iter((0..1000).map(text)))
    });
    lane.expect_quiesce().returning(|| ());
    let service = with_lane(lane);
    let mut generation = service.submit(request("slow")).expect("admitted");
    generation.started().await.expect("a token came");
    tokio::time::sleep(Duration::from_secs(31)).await;
    let mut pieces = 0;
    let end = loop {
        match generation.next().await.expect("there is an ending") {
            Progress::Token(_) => pieces += 1,
            end => break end,
        }
    };
    assert_eq!(pieces, 64, "what the buffer held");
    let stalled = serving::Failure::Stalled(Duration::from_secs(30));
    assert_eq!(end, Progress::Failed(stalled));
}

/// A conversation goes on where it was, while that lane is free.
/// Method: two lanes, used in turn by two conversations. Without the hint, the third request would get the lane that has
/// been free for longest, which is the other one's.
#[tokio::test(start_paused = true)]
async fn a_conversation_comes_back_to_its_lane() {
    let lane = || {
        let mut lane = MockLane::new();
        lane.expect_generate().returning(|_| answer("yes"));
        lane.expect_quiesce().returning(|| ());
        Box::new(lane) as Box<dyn backend::Lane>
    };
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(move |_, _| {
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        Ok(LoadedModel { info, encoder: Arc::new(OneToken), lanes: vec![lane(), lane()] })
    });
    let mut model = ModelConfig::new(spec());
    model.spec.lanes = 2;
    let config = ServiceConfig { models: vec![model], ..ServiceConfig::default() };
    let service = Service::start(config, Arc::new(engine)).expect("a consistent configuration");
    service.loaded().await;
    for text in ["first", "second", "second", "first", "first", "third"] {
        let prompt = backend::Prompt::Text(text.to_string());
        let mut generation = service.submit(serving::Request { prompt, ..request(text) }).expect("a lane is free");
        generation.started().await.expect("the lane answers");
        while generation.next().await.is_some() {}
    }
    let model = service.models().remove(0);
    let lanes: Vec<_> = model.history.iter().map(|outcome| (outcome.request_id.as_str(), outcome.lane)).collect();
    let on = |lane| Some(lane);
    let expected =
        [("first", on(0)), ("second", on(1)), ("second", on(1)), ("first", on(0)), ("first", on(0)), ("third", on(1))];
    assert!(lanes == expected || lanes.iter().rev().eq(&expected), "{lanes:?}");
}

/// Method: a model without room for anybody who waits; one comes while it loads, and one while its lane is lent.
#[tokio::test(start_paused = true)]
async fn who_is_refused_at_once_is_written_with_the_phase_that_it_was_in() {
    let mut lane = MockLane::new();
    lane.expect_generate().returning(|_| Box::pin(stream::pending()));
    lane.expect_quiesce().returning(|| ());
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(move |_, _| {
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        Ok(LoadedModel { info, encoder: Arc::new(OneToken), lanes: vec![Box::new(lane)] })
    });
    let outcomes: Arc<Mutex<Vec<Outcome>>> = Arc::default();
    let observer = {
        let outcomes = Arc::clone(&outcomes);
        Arc::new(move |outcome: &Outcome| outcomes.lock().expect("nobody panicked").push(outcome.clone()))
    };
    let models = vec![ModelConfig { queue_max: 0, ..ModelConfig::new(spec()) }];
    let config = ServiceConfig { models, ..ServiceConfig::default() };
    let service = Service::start_observed(config, Arc::new(engine), observer).expect("a consistent configuration");
    service.submit(request("early")).expect_err("there is no lane yet");
    service.loaded().await;
    let _holds = service.submit(request("holds")).expect("the lane is free");
    service.submit(request("late")).expect_err("the lane is lent");
    let outcomes = outcomes.lock().expect("nobody panicked");
    let written: Vec<_> = outcomes.iter().map(|o| (o.request_id.as_str(), o.ended, o.phase)).collect();
    assert_eq!(written, [("early", Ended::Refused, Phase::Loading), ("late", Ended::Refused, Phase::Waiting)]);
}
