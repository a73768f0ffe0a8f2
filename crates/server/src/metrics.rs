//! What is counted, for Prometheus and whatever else reads its format.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serving::{LoadState, ModelState, Outcome, OutcomeObserver, Service};

use crate::wire::names::class_name;

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The bounds of times, in seconds: from a lane that was free to an answer that took minutes.
const SECONDS: [f64; 14] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The counters of one server. A cheap handle.
#[derive(Clone)]
pub struct Metrics(Arc<Counted>);

struct Counted {
    registry: Registry,
    families: Families,
    /// Held from the look to the text: else an older look that ends later would take a counter back, which reads as a restart.
    scrape: Mutex<()>,
}

/// Labels are models, their adapters, classes, endings and statuses, of which there are few; never what a client wrote.
struct Families {
    requests: Family<OfRequest, Counter>,
    adapter_requests: Family<OfAdapter, Counter>,
    grants: Family<OfModel, Counter>,
    waits: Times<OfClass>,
    holds: Times<OfModel>,
    first_tokens: Times<OfModel>,
    prompt_tokens: Family<OfModel, Counter>,
    cached_prompt_tokens: Family<OfModel, Counter>,
    generated_tokens: Family<OfModel, Counter>,
    draft_tokens: Family<OfModel, Counter>,
    draft_accepted_tokens: Family<OfModel, Counter>,
    saved_bytes: Family<OfModel, Gauge>,
    saved_restored: Family<OfModel, Counter>,
    saved_evicted: Family<OfModel, Counter>,
    queue_length: Family<OfModel, Gauge>,
    queue_limit: Family<OfModel, Gauge>,
    lanes: Family<OfLanes, Gauge>,
    is_ready: Family<OfModel, Gauge>,
    uptime: Gauge,
    responses: Family<OfStatus, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClass {
    model: String,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    model: String,
    class: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAdapter {
    model: String,
    adapter: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLanes {
    model: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    status: u16,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let families = Families::new();
        let registry = families.register();
        Self(Arc::new(Counted { registry, families, scrape: Mutex::default() }))
    }
}

/// Times by their labels.
type Times<L> = Family<L, Histogram, fn() -> Histogram>;

fn times<L: Clone + std::hash::Hash + Eq>() -> Times<L> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

impl Families {
    fn new() -> Self {
        Self {
            requests: Family::default(),
            adapter_requests: Family::default(),
            grants: Family::default(),
            waits: times(),
            holds: times(),
            first_tokens: times(),
            prompt_tokens: Family::default(),
            cached_prompt_tokens: Family::default(),
            generated_tokens: Family::default(),
            draft_tokens: Family::default(),
            draft_accepted_tokens: Family::default(),
            saved_bytes: Family::default(),
            saved_restored: Family::default(),
            saved_evicted: Family::default(),
            queue_length: Family::default(),
            queue_limit: Family::default(),
            lanes: Family::default(),
            is_ready: Family::default(),
            uptime: Gauge::default(),
            responses: Family::default(),
        }
    }

    fn register(&self) -> Registry {
        let mut all = Registry::with_prefix("edison");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The program", build);
        all.register_with_unit("uptime", "Time since the start", Unit::Seconds, self.uptime.clone());
        all.register("requests", "Requests that have ended, by how", self.requests.clone());
        let with_adapters = "Requests with an adapter that have ended, by which it was";
        all.register("adapter_requests", with_adapters, self.adapter_requests.clone());
        all.register("grants", "Lanes that were granted, of requests that have ended", self.grants.clone());
        all.register_with_unit(
            "request_wait",
            "How long requests waited for the lane that they got",
            Unit::Seconds,
            self.waits.clone(),
        );
        all.register_with_unit("request_hold", "How long requests held their lane", Unit::Seconds, self.holds.clone());
        all.register_with_unit(
            "first_token",
            "From the arrival of a request to its first token",
            Unit::Seconds,
            self.first_tokens.clone(),
        );
        self.register_tokens(&mut all);
        all.register("queue_length", "Requests that wait now", self.queue_length.clone());
        all.register("queue_limit", "Requests that may wait", self.queue_limit.clone());
        all.register("lanes", "Lanes now: free, busy, or out of service", self.lanes.clone());
        all.register("model_ready", "1 while the model is loaded", self.is_ready.clone());
        all.register("http_responses", "Answers, by status", self.responses.clone());
        all
    }

    /// Tokens, and what is kept of some.
    fn register_tokens(&self, all: &mut Registry) {
        all.register("prompt_tokens", "Tokens of prompts that engines were given", self.prompt_tokens.clone());
        let cached = "Tokens of prompts that engines remembered, of answers that came to their end";
        all.register("cached_prompt_tokens", cached, self.cached_prompt_tokens.clone());
        all.register("generated_tokens", "Tokens that engines generated", self.generated_tokens.clone());
        let drafted = "Tokens that engines guessed and computed along, of answers that came to their end";
        all.register("draft_tokens", drafted, self.draft_tokens.clone());
        let accepted = "Guessed tokens that became part of an answer, of answers that came to their end";
        all.register("draft_accepted_tokens", accepted, self.draft_accepted_tokens.clone());
        let kept = "Memory that saved states of conversations take now";
        all.register_with_unit("saved_states", kept, Unit::Bytes, self.saved_bytes.clone());
        let restored = "Saved states that were brought back since the model was loaded";
        all.register("saved_states_restored", restored, self.saved_restored.clone());
        let evicted = "Saved states that made room for others since the model was loaded";
        all.register("saved_states_evicted", evicted, self.saved_evicted.clone());
    }

    fn count(&self, outcome: &Outcome) {
        let model = OfModel { model: outcome.model.clone() };
        let (class, ended) = (class_name(outcome.class), outcome.ended.as_str());
        self.requests.get_or_create(&OfRequest { model: model.model.clone(), class, outcome: ended }).inc();
        if let Some(adapter) = &outcome.adapter {
            let of = OfAdapter { model: model.model.clone(), adapter: adapter.name.clone() };
            self.adapter_requests.get_or_create(&of).inc();
        }
        if let Some(held) = outcome.held() {
            self.grants.get_or_create(&model).inc();
            self.waits.get_or_create(&OfClass { model: model.model.clone(), class }).observe(seconds(outcome.waited()));
            self.holds.get_or_create(&model).observe(seconds(held));
        }
        if let Some(first) = outcome.first_token {
            let after = first.saturating_sub(outcome.arrived);
            self.first_tokens.get_or_create(&model).observe(seconds(after));
        }
        for (tokens, n) in [
            (&self.prompt_tokens, outcome.prompt_tokens),
            (&self.cached_prompt_tokens, outcome.cached_tokens),
            (&self.generated_tokens, outcome.tokens),
            (&self.draft_tokens, outcome.drafted_tokens),
            (&self.draft_accepted_tokens, outcome.accepted_tokens),
        ] {
            tokens.get_or_create(&model).inc_by(n.into());
        }
    }

    /// What is true now, and was not counted.
    fn look(&self, uptime: Duration, states: Vec<ModelState>) {
        self.uptime.set(i64::try_from(uptime.as_secs()).unwrap_or(i64::MAX));
        for now in states {
            let ModelState { id, state, lanes_in_service, lanes_busy, lanes_out, waiting, queue_max, .. } = now;
            let model = OfModel { model: id };
            self.is_ready.get_or_create(&model).set((state == LoadState::Ready).into());
            self.queue_length.get_or_create(&model).set(whole(waiting));
            self.queue_limit.get_or_create(&model).set(whole(queue_max));
            self.saved_bytes.get_or_create(&model).set(i64::try_from(now.saved_states.bytes).unwrap_or(i64::MAX));
            // The engine counts, anew with each load: whoever reads a counter knows that it may begin anew.
            let restored = self.saved_restored.get_or_create(&model);
            restored.inner().store(now.saved_states.restored, Ordering::Relaxed);
            let evicted = self.saved_evicted.get_or_create(&model);
            evicted.inner().store(now.saved_states.evicted, Ordering::Relaxed);
            let free = lanes_in_service.saturating_sub(lanes_busy);
            for (state, n) in [("free", free), ("busy", lanes_busy), ("out", lanes_out)] {
                self.lanes.get_or_create(&OfLanes { model: model.model.clone(), state }).set(whole(n));
            }
        }
    }
}

impl Metrics {
    /// Counts every outcome of a service: to be handed to it when it is started.
    pub fn observer(&self) -> OutcomeObserver {
        let counted = Arc::clone(&self.0);
        Arc::new(move |outcome| counted.families.count(outcome))
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        self.0.families.responses.get_or_create(&OfStatus { status: status.as_u16() }).inc();
    }

    /// Everything, as text. Takes no model lock.
    pub(crate) fn text(&self, service: &Service) -> String {
        self.scraped(service.uptime(), || service.states())
    }

    /// Everything, with what these looks find.
    fn scraped(&self, uptime: Duration, states: impl FnOnce() -> Vec<ModelState>) -> String {
        let _one = self.0.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.families.look(uptime, states());
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry).expect("a String takes everything");
        out
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn whole(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex, Weak};
    use std::time::Duration;

    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;

    use super::{Counted, Families, Metrics};

    fn is_alone(counted: &Counted) -> bool {
        counted.scrape.try_lock().is_err()
    }

    /// Sees whether the text is made by one at a time.
    #[derive(Debug)]
    struct Witness(Weak<Counted>, Arc<Mutex<Vec<bool>>>);

    impl Collector for Witness {
        fn encode(&self, _: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
            let counted = self.0.upgrade().expect("it is asked");
            self.1.lock().expect("no panic").push(is_alone(&counted));
            Ok(())
        }
    }

    /// Two at a time could tell 11 first and 10 after it, which reads as a restart.
    #[test]
    fn one_at_a_time_looks_and_makes_the_text() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let metrics = Metrics(Arc::new_cyclic(|counted| {
            let families = Families::new();
            let mut registry = families.register();
            registry.register_collector(Box::new(Witness(counted.clone(), Arc::clone(&seen))));
            Counted { registry, families, scrape: Mutex::default() }
        }));
        for _ in 0..2 {
            metrics.scraped(Duration::ZERO, || {
                seen.lock().expect("no panic").push(is_alone(&metrics.0));
                Vec::new()
            });
        }
        assert_eq!(*seen.lock().expect("no panic"), [true; 4], "in the look and in the text, each time");
        assert!(!is_alone(&metrics.0));
    }
}
