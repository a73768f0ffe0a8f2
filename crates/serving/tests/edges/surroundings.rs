//! Foreign code beside the engine: a log that panics, an encoder that takes for ever.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    AdapterSpec, EncodedPrompt, ModelSource, ModelSpec, Prompt, PromptEncoder, PromptError, Scale, Token, Usage,
};
use serving::{Ended, Phase, Progress, Request};
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::mocked_backend::{answer, answer_at};
use crate::mocks::{MockLane, OneToken, request, spec, with_lane, with_lane_and_encoder, with_spec};
use crate::played::finish;

/// A log that does this with each line.
struct Log<F>(F);

impl<F: Fn(&Event<'_>) + 'static> Subscriber for Log<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The line is written between the outcome and the lane's going home: were its panic let through, the lane would end in
/// quarantine with nobody to repair it.
#[tokio::test(start_paused = true)]
async fn a_log_that_panics_costs_neither_the_outcome_nor_the_lane() {
    let _log = tracing::subscriber::set_default(Log(|_: &Event<'_>| panic!("the log's output is gone")));
    let mut lane = MockLane::new();
    lane.expect_generate().times(2).returning(|_| answer("fine"));
    lane.expect_quiesce().returning(|| ());
    let service = with_lane(lane);
    for id in ["first", "second"] {
        let mut generation = service.submit(request(id)).expect("there is room");
        generation.started().await.expect("the lane is lent");
        assert_eq!(generation.next().await, Some(Progress::Token(Token::text("fine"))));
        assert!(matches!(generation.next().await, Some(Progress::Completed(_))));
    }
    let model = service.models().remove(0);
    assert_eq!(model.history.len(), 2);
    assert_eq!(model.lanes[0].state, "free");
}

/// The fields of one line.
type Line = BTreeMap<&'static str, String>;

struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Method: one with an adapter, of which the engine remembered and guessed something, and one with nothing of it.
#[tokio::test(start_paused = true)]
async fn the_line_of_a_request_tells_its_adapter_and_what_the_engine_spared_itself() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let _log = tracing::subscriber::set_default(Log(move |event: &Event<'_>| {
        let mut line = Line::new();
        event.record(&mut Fields(&mut line));
        kept.lock().expect("nobody panicked").push(line);
    }));
    let mut lane = MockLane::new();
    let usage = Usage { cached_tokens: 3, drafted_tokens: 7, accepted_tokens: 0, ..Usage::default() };
    lane.expect_generate().times(1).return_once(move |_| answer_at("fine", usage));
    lane.expect_generate().times(1).return_once(|_| answer("fine"));
    lane.expect_quiesce().returning(|| ());
    let source = ModelSource::Embedded(b"adapter");
    let adapters = vec![AdapterSpec { name: "tone".into(), source, scale: Scale::ONE }];
    let service = with_spec(ModelSpec { adapters, ..spec() }, lane, Arc::new(OneToken));
    for model in ["m:tone", "m"] {
        finish(service.submit(Request { model: model.into(), ..request(model) }).expect("there is room")).await;
    }
    let lines = lines.lock().expect("nobody panicked");
    let ended: Vec<_> = lines.iter().filter(|line| line["message"] == "request ended").collect();
    let names = ["model", "adapter", "cached_tokens", "drafted_tokens", "accepted_tokens"];
    let told = |line: &Line| names.map(|name| line.get(name).cloned().unwrap_or_default());
    assert_eq!(
        ended.iter().map(|line| told(line)).collect::<Vec<_>>(),
        [["\"m\"", "\"tone\"", "3", "7", "0"], ["\"m\"", "", "", "", ""],]
    );
}

/// An encoder that never comes to an end.
struct Endless;

#[async_trait]
impl PromptEncoder for Endless {
    async fn encode(&self, _: Prompt) -> Result<EncodedPrompt, PromptError> {
        std::future::pending().await
    }
}

/// A lane that is held is seen to be held, from the grant on; the deadline bounds the wait for it and nothing else; and
/// leaving gives it back.
#[tokio::test(start_paused = true)]
async fn a_lane_held_for_an_encoder_has_a_visible_holder_who_can_leave() {
    let service = with_lane_and_encoder(MockLane::new(), Arc::new(Endless));
    let generation = service.submit(request("slow")).expect("there is room");
    sleep(Duration::from_secs(300)).await;
    let holder = service.models().remove(0).lanes.remove(0).holder.expect("the lane has a holder");
    assert_eq!((holder.request_id.as_str(), holder.phase), ("slow", Phase::Encoding));
    drop(generation);
    sleep(Duration::from_millis(1)).await;
    let model = service.models().remove(0);
    assert_eq!(model.lanes[0].state, "free");
    assert_eq!((model.history[0].ended, model.history[0].phase), (Ended::Cancelled, Phase::Encoding));
}
