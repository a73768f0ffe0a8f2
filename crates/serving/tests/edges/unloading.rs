//! A model that is let go and comes back.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    Capabilities, EncodedPrompt, EventStream, GenerateRequest, Lane, LaneBroken, LoadError, LoadedModel, ModelInfo,
    Prompt, PromptEncoder, PromptError, TokenId,
};
use futures_util::{FutureExt, StreamExt};
use serving::{Ended, Generation, LoadState, ModelConfig, Place, Refusal, Service, ServiceConfig};
use tokio::time::{Instant, sleep};

use crate::mocked_backend::{answer, broken};
use crate::mocks::{MockEngine, request, spec};

const LOAD: Duration = Duration::from_secs(2);
const HOLD: Duration = Duration::from_millis(100);

/// Encodes every prompt as the number of its load.
struct Numbered(u32);

#[async_trait]
impl PromptEncoder for Numbered {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        Ok(EncodedPrompt { prompt, tokens: vec![self.0] })
    }
}

/// The load that answered, and the tokens that it was given.
type Answered = Vec<(u32, Vec<TokenId>)>;

/// What the engines of all loads have done.
#[derive(Clone, Default)]
struct Seen {
    loads: Arc<AtomicU32>,
    answered: Arc<Mutex<Answered>>,
    /// Engines that are there now.
    alive: Arc<AtomicU32>,
    /// Whether they break at the end of a hold, for good.
    breaks: Arc<AtomicBool>,
}

/// Tells that its engine is gone.
struct Alive(Arc<AtomicU32>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lane of one load.
struct Played {
    number: u32,
    seen: Seen,
    _engine: Arc<Alive>,
}

#[async_trait]
impl Lane for Played {
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        self.seen.answered.lock().expect("nobody panicked").push((self.number, request.prompt.tokens));
        if self.seen.breaks.load(Ordering::Relaxed) { slow(broken) } else { slow(|| answer("done")) }
    }

    async fn quiesce(&mut self) {}

    /// In vain, which takes a while to find out.
    async fn reset(&mut self) -> Result<(), LaneBroken> {
        sleep(HOLD).await;
        Err(LaneBroken { reason: "planted".into() })
    }
}

fn slow(end: fn() -> EventStream<'static>) -> EventStream<'static> {
    Box::pin(sleep(HOLD).into_stream().flat_map(move |()| end()))
}

/// A model of this many lanes, which takes 2 s to load and 100 ms to answer.
fn service(config: ModelConfig) -> (Service, Seen) {
    let seen = Seen::default();
    let mut engine = MockEngine::new();
    let (lanes, of_engine) = (config.spec.lanes, seen.clone());
    engine.expect_load().returning(move |_, _| {
        let number = of_engine.loads.fetch_add(1, Ordering::Relaxed) + 1;
        let alive = Arc::new(Alive(Arc::clone(&of_engine.alive)));
        of_engine.alive.fetch_add(1, Ordering::Relaxed);
        let lane =
            || -> Box<dyn Lane> { Box::new(Played { number, seen: of_engine.clone(), _engine: Arc::clone(&alive) }) };
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        let model =
            LoadedModel { info, encoder: Arc::new(Numbered(number)), lanes: (0..lanes).map(|_| lane()).collect() };
        Ok::<_, LoadError>(model)
    });
    let delayed = Delayed(engine);
    let config = ServiceConfig { models: vec![config], ..ServiceConfig::default() };
    (Service::start(config, Arc::new(delayed)).expect("a consistent configuration"), seen)
}

/// A backend whose loads take time.
struct Delayed(MockEngine);

#[async_trait]
impl backend::Backend for Delayed {
    async fn load(&self, spec: backend::ModelSpec, progress: backend::LoadProgress) -> Result<LoadedModel, LoadError> {
        sleep(LOAD).await;
        self.0.load(spec, progress).await
    }
}

fn state(service: &Service) -> LoadState {
    service.states().remove(0).state
}

fn ask(service: &Service, id: &str) -> Generation {
    service.submit(request(id)).expect("there is room")
}

async fn finish(mut generation: Generation) {
    generation.started().await.expect("the lane answers");
    while generation.next().await.is_some() {}
}

/// Method: one request holds the only lane and one waits when the model is told to go. The first finishes where it is; the
/// engine is dropped; the second waits for the next load, and is encoded by that, not by the one before.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_told_to_go_lets_holders_finish_and_comes_back_for_who_waits() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    sleep(HOLD / 2).await;
    let begun = Instant::now();
    let (unloaded, ()) = tokio::join!(service.unload("m"), finish(first));
    assert_eq!(
        (unloaded, begun.elapsed()),
        (Ok("m".to_owned()), HOLD / 2),
        "told when the holder is done, and not before"
    );
    assert_eq!(seen.alive.load(Ordering::Relaxed), 0, "told when the engine is gone");
    sleep(LOAD / 2).await;
    assert_eq!(
        (state(&service), second.place()),
        (LoadState::Loading { progress: 0.0 }, Place::Loading { progress: 0.0 })
    );
    finish(second).await;
    assert_eq!(begun.elapsed(), HOLD / 2 + LOAD + HOLD);
    assert_eq!(*seen.answered.lock().expect("nobody panicked"), [(1, vec![1]), (2, vec![2])]);
    let history = service.models().remove(0).history;
    assert!(history.iter().all(|outcome| outcome.ended == Ended::Finished(backend::FinishReason::Stop)), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_let_go_is_loaded_for_whoever_asks_next_and_by_nobody_else() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    assert_eq!(service.unload("m").await, Ok("m".to_owned()));
    assert_eq!(service.unload("m").await, Ok("m".to_owned()), "it is gone already");
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    service.loaded().await;
    let view = service.models().remove(0);
    assert_eq!((view.lanes.len(), view.context_len), (0, Some(8)), "what it was is still known");
    let begun = Instant::now();
    finish(ask(&service, "next")).await;
    assert_eq!((begun.elapsed(), state(&service)), (LOAD + HOLD, LoadState::Ready));
    assert_eq!(service.load("m").await, Ok("m".to_owned()));
    service.unload("m").await.expect("it is there");
    service.load("m").await.expect("it comes back");
    assert_eq!(seen.loads.load(Ordering::Relaxed), 3);
    service.unload("m").await.expect("it is there");
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(state(&service), LoadState::Unloaded, "whoever wanted it has had it");
    assert_eq!(service.unload("other").await.map_err(|e| matches!(e, Refusal::UnknownModel { .. })), Err(true));
}

/// Who cannot even wait is refused, and brings the model back all the same: asking again helps.
#[tokio::test(start_paused = true)]
async fn a_model_without_a_queue_comes_back_too() {
    let (service, seen) = service(ModelConfig { queue_max: 0, ..ModelConfig::new(spec()) });
    service.loaded().await;
    service.unload("m").await.expect("it is there");
    service.submit(request("early")).map(drop).expect_err("there is no lane, and nobody may wait");
    sleep(LOAD).await;
    sleep(Duration::from_millis(1)).await;
    finish(ask(&service, "again")).await;
    assert_eq!(seen.loads.load(Ordering::Relaxed), 2);
}

/// Method: idle counts from the end of the load, and from the end of the last use; a request that lasts is a use.
#[tokio::test(start_paused = true)]
async fn a_model_that_nobody_uses_is_let_go_after_its_time_and_not_before() {
    let limit = Duration::from_millis(150);
    let (service, seen) = service(ModelConfig { unload_after: Some(limit), ..ModelConfig::new(spec()) });
    service.loaded().await;
    sleep(limit - Duration::from_millis(1)).await;
    assert_eq!(state(&service), LoadState::Ready);
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    finish(first).await;
    finish(second).await;
    sleep(limit - Duration::from_millis(1)).await;
    assert_eq!(state(&service), LoadState::Ready, "200 ms of use, and 149 ms of rest");
    sleep(Duration::from_millis(2)).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    finish(ask(&service, "third")).await;
    assert_eq!(seen.loads.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn every_lane_leaves_when_it_is_home_and_a_drain_waits_for_nobody_who_is_away() {
    let mut config = ModelConfig::new(spec());
    config.spec.lanes = 3;
    let (service, seen) = service(config);
    service.loaded().await;
    let held = ask(&service, "held");
    sleep(HOLD / 2).await;
    let unload = tokio::spawn({
        let service = service.clone();
        async move { service.unload("m").await }
    });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(service.models().remove(0).lanes.len(), 1, "two are out already");
    finish(held).await;
    unload.await.expect("no panic").expect("it is let go");
    assert_eq!(seen.alive.load(Ordering::Relaxed), 0);
    let waiting = ask(&service, "waiting");
    sleep(LOAD / 2).await;
    // In the middle of the second load: who waits is told, and the load is abandoned.
    service.shutdown(Duration::ZERO).await;
    let mut waiting = waiting;
    assert_eq!(waiting.started().await, Err(Refusal::ShuttingDown));
    assert_eq!(service.unload("m").await, Err(Refusal::ShuttingDown));
    assert_eq!(seen.loads.load(Ordering::Relaxed), 1);
}

/// Method: the wish comes twice, once before the model goes and once while it does. It goes once.
#[tokio::test(start_paused = true)]
async fn a_wish_that_comes_while_the_model_goes_is_granted_with_it() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    sleep(HOLD / 2).await;
    let again = async {
        sleep(HOLD / 4).await;
        service.unload("m").await
    };
    let (unloaded, again, ()) = tokio::join!(service.unload("m"), again, finish(first));
    assert_eq!((unloaded, again), (Ok("m".to_owned()), Ok("m".to_owned())));
    finish(second).await;
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.loads.load(Ordering::Relaxed)), (LoadState::Ready, 2));
}

/// A request that is refused by the queue while the model goes wants it back as well: nobody else says so later.
#[tokio::test(start_paused = true)]
async fn who_is_refused_while_the_model_goes_brings_it_back() {
    let (service, seen) = service(ModelConfig { queue_max: 0, ..ModelConfig::new(spec()) });
    service.loaded().await;
    let held = ask(&service, "held");
    sleep(HOLD / 2).await;
    let refused = async {
        sleep(HOLD / 4).await;
        service.submit(request("early")).map(drop)
    };
    let (unloaded, refused, ()) = tokio::join!(service.unload("m"), refused, finish(held));
    unloaded.expect("it is let go");
    assert!(matches!(refused, Err(Refusal::QueueFull { .. })), "{refused:?}");
    sleep(LOAD + Duration::from_millis(1)).await;
    assert_eq!((state(&service), seen.loads.load(Ordering::Relaxed)), (LoadState::Ready, 2));
}

/// Its last lane broke, and is found to be beyond repair while the model goes. That would end a model that stays; the next
/// load makes its lanes anew.
#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_rebuilt_while_the_model_goes_is_no_failure_of_the_model() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    seen.breaks.store(true, Ordering::Relaxed);
    ask(&service, "breaks").started().await.expect_err("it broke");
    sleep(HOLD / 2).await;
    assert_eq!(service.models().remove(0).lanes[0].state, "in_repair");
    assert_eq!(service.unload("m").await, Ok("m".to_owned()));
    sleep(HOLD).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    seen.breaks.store(false, Ordering::Relaxed);
    finish(ask(&service, "next")).await;
    assert_eq!(state(&service), LoadState::Ready);
}

/// Looks at the model in the moment in which it is woken.
struct Look {
    service: Service,
    found: Mutex<Vec<(LoadState, usize)>>,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        let model = self.service.states().remove(0);
        self.found.lock().expect("nobody panicked").push((model.state, model.lanes_in_service));
    }
}

/// Whoever found a loaded model without lanes would take it for one that has stopped.
#[tokio::test(start_paused = true)]
async fn who_is_told_that_a_model_is_loaded_finds_its_lanes() {
    let (service, _) = service(ModelConfig::new(spec()));
    let look = Arc::new(Look { service: service.clone(), found: Mutex::default() });
    let waker = Waker::from(Arc::clone(&look));
    let mut loaded = Box::pin(service.loaded());
    assert!(loaded.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sleep(LOAD * 2).await;
    assert_eq!(*look.found.lock().expect("nobody panicked"), [(LoadState::Ready, 1)]);
}
