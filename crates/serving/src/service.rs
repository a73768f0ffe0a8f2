//! The service: the models, by name, and the requests that are under way.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use backend::{Adapter, Backend, GenerateOptions, Prompt, TokenId};
use futures_util::FutureExt;
use futures_util::future::{self, MaybeDone};
use model_locks::Ask;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::canary;
use crate::encode::Work;
use crate::generation::{self, End, Reply};
use crate::instance::Instance;
use crate::live::LiveRequest;
use crate::outcome::Record;
use crate::place::Lookout;
use crate::plan::Plan;
use crate::run::{Ended, Ending, Run, Wait, refused};
use crate::{
    Class, EmbedRequest, Embeddings, Feature, Generation, Input, Limits, LockEvent, ModelConfig, ModelState, ModelView,
    Outcome, Phase, PlanError, Refusal, Request, ServiceConfig, Shorten, Tier, embeddings, keeping,
};

/// Hears of every outcome, also of those that never got a lane, once it is written. Must not block.
pub type OutcomeObserver = Arc<dyn Fn(&Outcome) + Send + Sync>;

/// Hears of whatever happens to the lock of a model: the model's id, and the event. It is called between the lock's step
/// and whatever follows from it, so it must be quick.
pub type LockObserver = Arc<dyn Fn(&str, &LockEvent) + Send + Sync>;

/// Several models, each entered by one request per lane at a time. A cheap handle.
///
/// Dropping the last handle does not end requests that are under way; [`shutdown`](Self::shutdown) does.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// In the order of the configuration.
    pub(crate) instances: Vec<Arc<Instance>>,
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) tiers: BTreeMap<Tier, String>,
    pub(crate) limits: Limits,
    observer: Option<OutcomeObserver>,
    /// What the offsets in outcomes count from.
    epoch: Instant,
    last_tag: AtomicU64,
    pub(crate) draining: AtomicBool,
    /// The requests under way.
    pub(crate) requests: TaskTracker,
    /// Who keeps the models, and repairs.
    pub(crate) background: TaskTracker,
    /// Ends requests.
    pub(crate) end_requests: CancellationToken,
    /// Ends loads.
    pub(crate) end_loads: CancellationToken,
}

impl Service {
    /// Starts the service and begins to load its models, each on its own. Requests are taken at once and wait for
    /// the load. To be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`PlanError`]: the configuration contradicts itself, and nothing was started.
    pub fn start(config: ServiceConfig, backend: Arc<dyn Backend>) -> Result<Self, PlanError> {
        Self::launch(config, backend, None, None)
    }

    /// The same with somebody who hears of every outcome.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_observed(
        config: ServiceConfig,
        backend: Arc<dyn Backend>,
        observer: OutcomeObserver,
    ) -> Result<Self, PlanError> {
        Self::launch(config, backend, Some(observer), None)
    }

    /// The same with somebody who also hears of every step of every lock.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_watched(
        config: ServiceConfig,
        backend: Arc<dyn Backend>,
        outcomes: OutcomeObserver,
        locks: LockObserver,
    ) -> Result<Self, PlanError> {
        Self::launch(config, backend, Some(outcomes), Some(locks))
    }

    fn launch(
        config: ServiceConfig,
        backend: Arc<dyn Backend>,
        observer: Option<OutcomeObserver>,
        locks: Option<LockObserver>,
    ) -> Result<Self, PlanError> {
        let plan = Plan::new(&config)?;
        let instance = |model: &ModelConfig| {
            let names = plan.other_names(&model.spec.name);
            Arc::new(Instance::new(model, names, &config.limits, locks.clone()))
        };
        let instances: Vec<_> = plan.models.iter().map(instance).collect();
        let inner = Inner {
            instances,
            names: plan.names,
            tiers: plan.tiers,
            limits: config.limits,
            observer,
            epoch: Instant::now(),
            last_tag: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            requests: TaskTracker::new(),
            background: TaskTracker::new(),
            end_requests: CancellationToken::new(),
            end_loads: CancellationToken::new(),
        };
        for instance in &inner.instances {
            let keep = keeping::keep(Arc::clone(instance), Arc::clone(&backend), inner.end_loads.clone());
            inner.background.spawn(keep);
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts a request into the queue of the model it names. What can be refused at once is refused here.
    ///
    /// # Fairness
    /// The order of the calls is the order of the queue, within a class.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`], [`Refusal::UnknownAdapter`], [`Refusal::NoAdapterNumber`], [`Refusal::TwoAdapters`],
    /// [`Refusal::QueueFull`], [`Refusal::ModelUnavailable`], [`Refusal::ShuttingDown`].
    pub fn submit(&self, request: Request) -> Result<Generation, Refusal> {
        let Request { id, client, model, class, prompt, options, max_tokens, queue_timeout } = request;
        let asker = Asker { id, client, class, queue_timeout };
        self.generate(asker, &model, Input::Prompt(prompt), None, options, max_tokens)
    }

    /// The same for a conversation of which something may be left out where it does not fit: `shorten` says what. The
    /// request keeps its place in the queue meanwhile. What is left of the conversation only `shorten` knows.
    ///
    /// # Errors
    /// As [`submit`](Self::submit). What cannot be made to fit is refused as it would be there.
    pub fn submit_shortened(&self, request: Request, shorten: Shorten) -> Result<Generation, Refusal> {
        let Request { id, client, model, class, prompt, options, max_tokens, queue_timeout } = request;
        let asker = Asker { id, client, class, queue_timeout };
        self.generate(asker, &model, Input::Prompt(prompt), Some(shorten), options, max_tokens)
    }

    /// The same for a prompt that is tokens already. `request.prompt` is not looked at.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_tokens(&self, request: Request, tokens: Vec<TokenId>) -> Result<Generation, Refusal> {
        let Request { id, client, model, class, options, max_tokens, queue_timeout, .. } = request;
        let asker = Asker { id, client, class, queue_timeout };
        self.generate(asker, &model, Input::Tokens(tokens), None, options, max_tokens)
    }

    /// The same for embeddings: they wait in the queue, and hold a lane, like a generation.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn embed(&self, request: EmbedRequest) -> Result<Embeddings, Refusal> {
        let EmbedRequest { id, client, model, class, inputs, queue_timeout } = request;
        let (instance, adapter) = self.resolve(&model, None)?;
        if adapter.is_some() {
            let model = instance.id().to_string();
            return Err(Refusal::Unsupported { model, feature: Feature::AdaptedEmbeddings });
        }
        let place = self.enter(Asker { id, client, class, queue_timeout }, instance, None, None)?;
        let (reply, embeddings) = embeddings::channel(place.lookout());
        self.start_run(place, Work::Embed { inputs }, reply);
        Ok(embeddings)
    }

    fn generate(
        &self,
        asker: Asker,
        model: &str,
        input: Input,
        shorten: Option<Shorten>,
        mut options: GenerateOptions,
        max_tokens: Option<u32>,
    ) -> Result<Generation, Refusal> {
        options.request_id = Some(asker.id.as_str().into());
        let (instance, adapter) = self.resolve(model, options.adapter)?;
        options.adapter = adapter;
        let prompt = match &input {
            Input::Prompt(prompt) => Some(prompt),
            Input::Tokens(_) => None,
        };
        let place = self.enter(asker, instance, options.applied_adapter(), prompt)?;
        let (reply, generation) = generation::channel(self.inner.limits.event_buffer, place.lookout());
        let max_tokens = max_tokens.unwrap_or(place.instance.max_tokens);
        self.start_run(place, Work::Generate { input, shorten, options, max_tokens }, reply);
        Ok(generation)
    }

    /// Which model and which adapter are meant, while anybody is taken.
    fn resolve(&self, name: &str, given: Option<Adapter>) -> Result<(Arc<Instance>, Option<Adapter>), Refusal> {
        if self.inner.draining.load(Ordering::Acquire) {
            return Err(Refusal::ShuttingDown);
        }
        self.inner.resolve_adapted(name, given)
    }

    /// Takes a place in the queue of a model. A prompt that goes on with a conversation prefers the lane on which that was.
    fn enter(
        &self,
        asker: Asker,
        instance: Arc<Instance>,
        adapter: Option<Adapter>,
        prompt: Option<&Prompt>,
    ) -> Result<QueuePlace, Refusal> {
        let inner = &self.inner;
        let tag = inner.last_tag.fetch_add(1, Ordering::Relaxed) + 1;
        let Asker { id, client, class, queue_timeout } = asker;
        let phase = if instance.is_loaded() { Phase::Waiting } else { Phase::Loading };
        let ask = Ask::new(class).tag(tag);
        let ask = client.as_deref().map_or(ask, |client| ask.client(client_key(client)));
        let adapter = adapter.and_then(|adapter| instance.adapter_view(adapter));
        let live = Arc::new(LiveRequest::new(tag, id, client, class, adapter, phase));
        let record = Record::new(Arc::clone(&instance), Arc::clone(&live), inner.epoch, inner.observer.clone());
        // Where the model was let go, or is about to be. Before the look at the queue, which may have no room.
        if !instance.is_loaded() || instance.is_going() {
            instance.want();
        }
        let ask = prompt.map_or(ask, |prompt| instance.with_preference(ask, prompt));
        let acquire = match enqueue(&instance, ask) {
            Ok(acquire) => acquire,
            Err(refusal) => {
                if !canary::forgets_refusals() {
                    record.write(&Ending::Refused(refusal.clone()), live.phase());
                }
                return Err(refusal);
            }
        };
        let wait_max = queue_timeout.unwrap_or(inner.limits.queue_timeout).min(inner.limits.queue_timeout);
        Ok(QueuePlace { deadline: live.arrived + wait_max, instance, live, record, acquire })
    }

    /// Gives the rest of a request's life to a task of its own.
    fn start_run(&self, place: QueuePlace, work: Work, reply: Reply) {
        let inner = &self.inner;
        let QueuePlace { instance, live, record, acquire, deadline } = place;
        let run = Run {
            instance,
            live,
            acquire,
            work: Some(work),
            reply,
            deadline,
            stall_timeout: inner.limits.stall_timeout,
            shutdown: inner.end_requests.clone(),
            repairs: inner.background.clone(),
        };
        inner.requests.spawn(finish(run, record));
    }

    /// Every model as it is now, in the order of the configuration. Takes no lane and waits for nobody.
    pub fn models(&self) -> Vec<ModelView> {
        self.inner.instances.iter().map(|instance| instance.view()).collect()
    }

    /// How far every model is, in the order of the configuration. Cheaper than [`models`](Self::models): it costs the same
    /// however many wait.
    pub fn states(&self) -> Vec<ModelState> {
        self.inner.instances.iter().map(|instance| instance.model_state()).collect()
    }

    /// Whether a request is under way whose id is one that is looked for: from its submission until its outcome is written.
    /// `is` must not panic.
    pub fn is_under_way(&self, mut is: impl FnMut(&str) -> bool) -> bool {
        self.inner.instances.iter().any(|instance| instance.live.any(&mut is))
    }

    /// Which model each configured tier means.
    pub fn tiers(&self) -> Vec<(Tier, String)> {
        self.inner.tiers.iter().map(|(&tier, id)| (tier, id.clone())).collect()
    }

    /// Waits until no model is being loaded: each is loaded, has failed to, or was let go. `models` tells which.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn loaded(&self) {
        for instance in &self.inner.instances {
            instance.settled().await;
        }
    }

    /// Whether [`shutdown`](Self::shutdown) has been called.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// How long ago the service was started: the clock of the offsets in outcomes.
    pub fn uptime(&self) -> Duration {
        self.inner.epoch.elapsed()
    }
}

/// Who asks, and how it wants to wait.
struct Asker {
    id: String,
    client: Option<String>,
    class: Class,
    queue_timeout: Option<Duration>,
}

/// A request that stands in the queue, or has its lane.
struct QueuePlace {
    instance: Arc<Instance>,
    live: Arc<LiveRequest>,
    record: Record,
    acquire: MaybeDone<Wait>,
    deadline: Instant,
}

impl QueuePlace {
    fn lookout(&self) -> Lookout {
        Lookout::new(Arc::clone(&self.instance), Arc::clone(&self.live))
    }
}

/// The client's number for the fair share. It says nothing outside this process.
fn client_key(client: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}

/// Takes a place in the queue, or the lane itself where it is free.
///
/// The first poll is what enqueues. It happens here and not in the request's task, so that requests stand in the
/// order of their submission however tasks are scheduled, and so that a full queue is told at once.
fn enqueue(instance: &Instance, ask: Ask) -> Result<MaybeDone<Wait>, Refusal> {
    let mut acquire = future::maybe_done(instance.lock.acquire(ask).boxed());
    // No waker: the task polls again before it first sleeps, and finds a grant made meanwhile.
    let _ = Pin::new(&mut acquire).poll_unpin(&mut Context::from_waker(Waker::noop()));
    match acquire {
        MaybeDone::Done(Err(error)) => Err(refused(error, instance)),
        acquire => Ok(acquire),
    }
}

/// Runs a request, writes its outcome, lets the lane go, and only then tells the client how it ended: who asks after
/// that finds the outcome written and the lane free.
async fn finish(run: Run, record: Record) {
    let Ended { ending, phase, lease, reply } = run.run().await;
    if canary::tells_early() {
        tell(reply, ending.clone());
        tokio::task::yield_now().await;
        record.write(&ending, phase);
        return drop(lease);
    }
    record.write(&ending, phase);
    drop(lease);
    tell(reply, ending);
}

/// Tells the client how its request ended, if anybody is there.
fn tell(reply: Reply, ending: Ending) {
    match (ending, reply.end) {
        (Ending::Refused(refusal), _) => {
            if let Some(start) = reply.start {
                let _ = start.send(Err(refusal));
            }
        }
        (Ending::Completed(completed), End::Generation(end)) => {
            let _ = end.send(Ok(completed));
        }
        (Ending::Embedded(embeddings), End::Embeddings(end)) => {
            let _ = end.send(Ok(embeddings));
        }
        (Ending::Failed(failure), End::Generation(end)) => {
            let _ = end.send(Err(failure));
        }
        (Ending::Failed(failure), End::Embeddings(end)) => {
            let _ = end.send(Err(failure));
        }
        // The work and the reply are made together, so that nothing else can meet.
        (Ending::Left | Ending::Completed(_) | Ending::Embedded(_), _) => {}
    }
}
