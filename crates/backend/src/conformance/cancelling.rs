//! Leaving in each phase. After a quiesce the lane is as new.

use futures_util::{FutureExt, StreamExt};

use super::{Subject, kit};
use crate::Event;

/// A stream may be dropped before anybody polled it.
pub async fn a_lane_is_as_new_after_a_cancel_before_the_first_poll(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for _ in 0..3 {
        drop(lane.generate(kit::request(&model, kit::count()).await));
        lane.quiesce().await;
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

/// A stream may be dropped while the prompt is processed.
/// Method: a prompt that fills the context; dropped after one poll, and dropped at the first event.
pub async fn a_lane_is_as_new_after_a_cancel_in_prefill(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let (long, _) = kit::longest_prompt(&model).await;

    let polled_once = lane.generate(kit::request_for(long.clone())).next().now_or_never();
    assert!(!matches!(polled_once, Some(None)), "the stream ended at once");
    lane.quiesce().await;
    kit::check_as_new(&model, lane.as_mut()).await;

    let first = lane.generate(kit::request_for(long)).next().await;
    assert!(matches!(first, Some(Ok(Event::Prompt { .. }))), "first comes prompt progress, not {first:?}");
    lane.quiesce().await;
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A stream may be dropped between two tokens.
pub async fn a_lane_is_as_new_after_a_cancel_in_decode(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for n in [1, 2, 20] {
        let request = kit::request(&model, kit::count()).await;
        kit::cancel_after_tokens(lane.as_mut(), request, n).await;
        lane.quiesce().await;
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

/// Waiting for the engine may be given up and begun again; the engine stops all the same.
pub async fn quiesce_may_be_dropped_and_called_again(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let request = kit::request(&model, kit::count()).await;
    kit::cancel_after_tokens(lane.as_mut(), request, 1).await;
    for _ in 0..3 {
        // Whether the engine has stopped by now is its own affair.
        let _ = lane.quiesce().now_or_never();
    }
    lane.quiesce().await;
    kit::check_as_new(&model, lane.as_mut()).await;
}
