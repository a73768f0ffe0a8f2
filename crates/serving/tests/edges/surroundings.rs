//! Foreign code beside the engine: a log that panics, an encoder that takes for ever.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backend::{EncodedPrompt, Prompt, PromptEncoder, PromptError, Token};
use serving::{Ended, Phase, Progress};
use tokio::time::sleep;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::mocked_backend::answer;
use crate::mocks::{MockLane, request, with_lane, with_lane_and_encoder};

/// A log whose output is gone, and which panics about it.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        panic!("the log's output is gone");
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The line is written between the outcome and the lane's going home: were its panic let through, the lane would end in
/// quarantine with nobody to repair it.
#[tokio::test(start_paused = true)]
async fn a_log_that_panics_costs_neither_the_outcome_nor_the_lane() {
    let _log = tracing::subscriber::set_default(Panics);
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
