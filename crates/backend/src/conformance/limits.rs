//! Answers that are cut short.

use super::{Subject, kit};
use crate::FinishReason;

/// An answer cut by `max_tokens` has exactly that many tokens, and is the beginning of the full one.
pub async fn max_tokens_ends_the_answer_with_length(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for max_tokens in [2, 3, 20] {
        let mut request = kit::request(&model, kit::count()).await;
        request.max_tokens = max_tokens;
        let answer = kit::run(lane.as_mut(), request).await;
        assert_eq!(answer.reason(), FinishReason::Length);
        assert_eq!(answer.finish().usage.completion_tokens, max_tokens);
        assert!(kit::count_text().starts_with(&answer.text()), "{:?} is no beginning of the count", answer.text());
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// The smallest answer: one token.
pub async fn one_token_is_enough(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::count()).await;
    request.max_tokens = 1;
    let answer = kit::run(lane.as_mut(), request).await;
    assert_eq!(answer.token_texts().count(), 1);
    assert_eq!(answer.reason(), FinishReason::Length);
}

/// Callers without a bound of their own pass the largest number.
pub async fn a_bound_beyond_the_context_is_harmless(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat(kit::PROBE)).await;
    request.max_tokens = u32::MAX;
    let answer = kit::run(lane.as_mut(), request).await;
    assert_eq!(answer.text(), kit::PROBE);
    assert_eq!(answer.reason(), FinishReason::Stop);
}

/// Prompt and answer together never outgrow the context.
/// Method: the longest prompt that is taken, and no other bound. The model may end its answer earlier.
pub async fn the_context_bounds_the_answer(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let (prompt, _) = kit::longest_prompt(&model).await;
    let room = model.info.context_len - kit::n_tokens(&prompt);
    let mut request = kit::request_for(prompt);
    request.max_tokens = u32::MAX;
    let answer = kit::run(lane.as_mut(), request).await;
    let generated = answer.finish().usage.completion_tokens;
    match answer.reason() {
        FinishReason::Stop => assert!(generated <= room, "{generated} tokens where {room} had room"),
        FinishReason::Length => {
            assert_eq!(generated, room, "the answer was cut where the context ends")
        }
        FinishReason::ToolCalls => panic!("a call without a tool: {answer:?}"),
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}
