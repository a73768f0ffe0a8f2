//! Faults that need a hand inside the engine.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use backend::conformance::kit;
use backend::{Event, GenerateError, GenerateRequest, Lane, LaneBroken, LoadedModel};
use futures_util::{FutureExt, StreamExt};
use llama_cpp_2::model::LlamaModel;

use super::LlamaLane;
use crate::engine::Fault;
use crate::testing;

/// A loaded demo model whose parts are still known.
struct Instance {
    lane: LlamaLane,
    /// Without lanes: for its encoder.
    model: LoadedModel,
    weights: Weak<LlamaModel>,
    thread: JoinHandle<()>,
}

async fn instance() -> Instance {
    let (mut loaded, thread) = testing::load().await;
    let lane = loaded.lanes.remove(0);
    let weights = Arc::downgrade(&loaded.encoder.vocabulary.model);
    let model = LoadedModel { info: loaded.info, encoder: Arc::new(loaded.encoder), lanes: vec![] };
    Instance { lane, model, weights, thread }
}

impl Instance {
    async fn count(&self) -> GenerateRequest {
        kit::request(&self.model, kit::count()).await
    }

    /// Starts an answer, leaves it, and keeps the engine busy with it until the returned end is dropped.
    async fn hold(&mut self) -> Sender<()> {
        let (release, held) = channel();
        self.lane.fault = Some(Fault::Hold(held));
        let request = self.count().await;
        let mut stream = self.lane.generate(request);
        // From the last step of the prompt to the hold, the engine looks at nothing.
        while let Some(Ok(Event::Prompt { processed, total })) = stream.next().await {
            if processed == total {
                break;
            }
        }
        drop(stream);
        release
    }
}

/// After a failure in the engine the lane refuses until it was reset, and then is as new.
#[tokio::test]
async fn a_failure_breaks_the_lane_until_a_reset() {
    let mut instance = instance().await;
    for fault in [Fault::Panic, Fault::Decode, Fault::Panic] {
        let request = instance.count().await;
        instance.lane.fault = Some(fault);
        for expected in ["planted", "needs a reset"] {
            let answer = kit::run(&mut instance.lane, request.clone()).await;
            let Some(GenerateError::LaneBroken { reason }) = &answer.error else { panic!("{answer:?}") };
            assert!(reason.contains(expected), "{reason}");
            assert_eq!(answer.token_texts().count(), 0);
        }
        instance.lane.reset().await.expect("the context can be rebuilt");
        kit::check_as_new(&instance.model, &mut instance.lane).await;
    }
}

/// The same where nothing is computed, because the engine has the prompt and begins to answer at once.
#[tokio::test]
async fn a_failure_at_the_start_of_a_known_prompt_breaks_the_lane() {
    let mut instance = instance().await;
    for fault in [Fault::Panic, Fault::Decode] {
        let request = instance.count().await;
        let known = kit::run(&mut instance.lane, request.clone()).await;
        assert_eq!(
            kit::run(&mut instance.lane, request.clone()).await.finish().usage.cached_tokens,
            kit::n_tokens(&request.prompt)
        );
        instance.lane.fault = Some(fault);
        let answer = kit::run(&mut instance.lane, request.clone()).await;
        assert!(matches!(&answer.error, Some(GenerateError::LaneBroken { .. })), "{answer:?}");
        assert!(instance.lane.is_broken());
        instance.lane.reset().await.expect("the context can be rebuilt");
        let anew = kit::run(&mut instance.lane, request).await;
        assert_eq!((anew.text(), anew.finish().usage.cached_tokens), (known.text(), 0));
    }
}

/// A client may leave before it hears that the engine failed; the lane must not go home as sound.
/// Method: the reader leaves at the end of the prompt, after which the engine fails at once, whoever listens.
#[tokio::test]
async fn a_failure_that_nobody_heard_of_is_known_to_the_lane() {
    let mut instance = instance().await;
    for fault in [Fault::Panic, Fault::Decode] {
        let request = instance.count().await;
        instance.lane.fault = Some(fault);
        assert!(!instance.lane.is_broken());
        let mut events = instance.lane.generate(request);
        while !matches!(events.next().await, Some(Ok(Event::Prompt { processed, total })) if processed == total) {}
        drop(events);
        instance.lane.quiesce().await;
        assert!(instance.lane.is_broken());
        instance.lane.reset().await.expect("the context can be rebuilt");
        assert!(!instance.lane.is_broken());
        kit::check_as_new(&instance.model, &mut instance.lane).await;
    }
}

/// A lane may go home only when the engine has stopped.
/// Method: the engine is kept at work after its stream was dropped; quiesce must wait, and again after being dropped.
#[tokio::test]
async fn quiesce_waits_until_the_engine_has_stopped() {
    let mut instance = instance().await;
    let release = instance.hold().await;
    assert!(instance.lane.quiesce().now_or_never().is_none(), "the engine is still at work");
    assert!(instance.lane.quiesce().now_or_never().is_none(), "the engine is still at work");
    drop(release);
    instance.lane.quiesce().await;
    assert!(instance.lane.quiesce().now_or_never().is_some());
    kit::check_as_new(&instance.model, &mut instance.lane).await;
}

/// What follows a busy engine waits for it: a reset, and a generation by somebody who did not quiesce.
#[tokio::test]
async fn nothing_reaches_a_busy_engine() {
    let mut instance = instance().await;
    let release = instance.hold().await;
    assert!(instance.lane.reset().now_or_never().is_none());
    let request = instance.count().await;
    assert!(instance.lane.generate(request.clone()).next().now_or_never().is_none());
    drop(release);
    let answer = kit::collect(instance.lane.generate(request)).await;
    assert_eq!(answer.text(), kit::count_text());
    instance.lane.reset().await.expect("the lane is sound");
    kit::check_as_new(&instance.model, &mut instance.lane).await;
}

/// A reset that nobody waits for happens all the same, and nothing overtakes it.
#[tokio::test]
async fn a_reset_may_be_dropped() {
    let mut instance = instance().await;
    instance.lane.fault = Some(Fault::Panic);
    let request = instance.count().await;
    kit::run(&mut instance.lane, request).await;
    let _ = instance.lane.reset().now_or_never();
    instance.lane.quiesce().await;
    kit::check_as_new(&instance.model, &mut instance.lane).await;
}

/// Unloading: the thread ends with the lane, the weights go with the last of lane and encoder.
#[tokio::test]
async fn dropping_the_lane_ends_the_thread() {
    let Instance { lane, model, weights, thread } = instance().await;
    drop(lane);
    thread.join().expect("the thread ends in good order");
    assert!(weights.upgrade().is_some(), "the encoder still reads them");
    drop(model);
    assert!(weights.upgrade().is_none(), "nobody reads them");
}

/// The same in the middle of an answer: the engine stops first.
#[tokio::test]
async fn dropping_the_lane_while_the_engine_works_ends_the_thread() {
    let mut instance = instance().await;
    let release = instance.hold().await;
    let Instance { lane, model, weights, thread } = instance;
    drop((lane, model));
    assert!(weights.upgrade().is_some(), "the engine still computes with them");
    drop(release);
    thread.join().expect("the thread ends in good order");
    assert!(weights.upgrade().is_none(), "nobody reads them");
}

/// Should the thread be gone, every call says so and none waits for it.
#[tokio::test]
async fn a_lane_without_its_thread_is_broken_for_good() {
    let instance = instance().await;
    let (commands, _) = tokio::sync::mpsc::channel(1);
    let mut lane = LlamaLane::new(commands, 0);
    lane.quiesce().await;
    let answer = kit::collect(lane.generate(instance.count().await)).await;
    assert!(matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{answer:?}");
    assert!(matches!(lane.reset().await, Err(LaneBroken { .. })));
}
