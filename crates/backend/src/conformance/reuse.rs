//! What a lane must have forgotten before its next request.

use futures_util::FutureExt;

use super::{Subject, kit};
use crate::{EncodedPrompt, GenerateError, TokenId};

/// A failed request leaves the lane usable, after a reset where the error asks for one.
/// Method: a token that is in no vocabulary, alone and in the middle of a good prompt.
pub async fn a_lane_is_as_new_after_an_error(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let good = kit::encode(&model, kit::repeat("gravel 77")).await;
    let mut spoilt = good.tokens.clone();
    spoilt[good.tokens.len() / 2] = TokenId::MAX;
    for tokens in [vec![TokenId::MAX], spoilt] {
        let bad = EncodedPrompt { prompt: good.prompt.clone(), tokens };
        let answer = kit::run(lane.as_mut(), kit::request_for(bad)).await;
        match answer.error {
            Some(GenerateError::LaneBroken { .. }) => lane.reset().await.expect("the lane can be rebuilt"),
            Some(GenerateError::Failed { .. }) => {}
            None => panic!("a token outside the vocabulary was taken: {answer:?}"),
        }
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

/// A lane that needs no reset may get one.
pub async fn reset_on_a_sound_lane_is_harmless(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    lane.reset().await.expect("a new lane can be reset");
    kit::check_as_new(&model, lane.as_mut()).await;
    lane.reset().await.expect("a used lane can be reset");
    lane.reset().await.expect("a lane can be reset twice");
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// The same request gives the same text, whatever ran before on the lane.
/// Method: a prompt that begins like the one before, so that what an engine keeps of it would be taken up again; and
/// sampled requests around greedy ones, so that penalties and random numbers would be carried over.
pub async fn the_text_is_independent_of_what_ran_before(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut sampled = kit::request(&model, kit::count()).await;
    sampled.options.sampling.temperature = 1.0;
    sampled.options.sampling.repeat_penalty = 1.1;
    sampled.options.sampling.seed = 11;
    sampled.max_tokens = 60;
    let sampled_alone = kit::text_of(lane.as_mut(), sampled.clone()).await;

    for text in ["gravel 77", "gravel 78", "gravel", "otter 3", "gravel 77"] {
        let request = kit::request(&model, kit::repeat(text)).await;
        assert_eq!(kit::text_of(lane.as_mut(), request).await, text);
        assert_eq!(kit::text_of(lane.as_mut(), sampled.clone()).await, sampled_alone, "after {text:?}");
    }
}

/// Nothing runs, so there is nothing to wait for.
/// Method: ready at the first poll, on a new lane and again after a request.
pub async fn quiesce_returns_at_once_when_idle(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    assert!(lane.quiesce().now_or_never().is_some(), "a new lane is idle");
    kit::check_as_new(&model, lane.as_mut()).await;
    assert!(lane.quiesce().now_or_never().is_some(), "the engine had already stopped");
}
