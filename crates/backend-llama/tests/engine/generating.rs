//! What the engine generates.

use backend::conformance::kit;
use backend::{Event, FinishReason, GenerateError};
use futures_util::StreamExt;

use crate::support;

#[tokio::test]
async fn an_echo_is_exact() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let request = kit::request(&model, kit::chat("Repeat after me: kestrel-4821 violet")).await;
    let answer = kit::run(lane.as_mut(), request).await;
    assert_eq!(answer.text(), "kestrel-4821 violet");
    assert_eq!(answer.reason(), FinishReason::Stop);
}

/// The seed decides: repeated it gives the same text, changed it gives another one sooner or later.
#[tokio::test]
async fn the_seed_decides_a_sampled_answer() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let mut texts = Vec::new();
    for seed in [1, 2, 3, 4, 5, 6, 7, 8] {
        let mut request = kit::request(&model, kit::chat("Tell me about the sea")).await;
        request.options.sampling.temperature = 2.0;
        request.options.sampling.top_k = 0;
        request.options.sampling.top_p = 1.0;
        request.options.sampling.min_p = 0.0;
        request.options.sampling.seed = seed;
        request.max_tokens = 60;
        let text = kit::text_of(lane.as_mut(), request.clone()).await;
        assert_eq!(kit::text_of(lane.as_mut(), request).await, text, "seed {seed}");
        texts.push(text);
    }
    texts.dedup();
    assert!(texts.len() > 1, "eight seeds gave one text: {texts:?}");
}

/// Penalties apply to greedy choice too, and see each token once: the chain remembers what it chooses by itself.
/// Method: an answer that alternates between two letters, and a window of two tokens. Counted twice, the
/// latest letter would fill the window, and the one before it, which comes next, would not be penalised.
#[tokio::test]
async fn penalties_see_each_token_once() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat("xyxyxyxy")).await;
    request.max_tokens = 8;
    assert_eq!(kit::text_of(lane.as_mut(), request.clone()).await, "xyxyxyxy");
    request.options.sampling.repeat_last_n = 2;
    request.options.sampling.repeat_penalty = 2.0;
    request.options.sampling.frequency_penalty = 2.0;
    request.options.sampling.presence_penalty = 2.0;
    let penalised = kit::text_of(lane.as_mut(), request).await;
    assert!(penalised.starts_with("xy") && !penalised.starts_with("xyx"), "{penalised}");
}

/// The penalties look at the end of the prompt too, as in llama.cpp's server.
/// Method: an answer of one letter that stands in the prompt.
#[tokio::test]
async fn penalties_see_the_prompt() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat("q")).await;
    assert_eq!(kit::text_of(lane.as_mut(), request.clone()).await, "q");
    request.max_tokens = 1;
    request.options.sampling.repeat_penalty = 2.0;
    request.options.sampling.frequency_penalty = 2.0;
    request.options.sampling.presence_penalty = 2.0;
    assert_ne!(kit::text_of(lane.as_mut(), request).await, "q");
}

/// Prompts are processed 64 tokens at a time, and each step is reported.
#[tokio::test]
async fn progress_comes_in_steps() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let request = kit::request(&model, kit::chat("x".repeat(200))).await;
    let total = kit::n_tokens(&request.prompt);
    let answer = kit::run(lane.as_mut(), request).await;
    let steps: Vec<u32> = answer
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Prompt { processed, .. } => Some(*processed),
            _ => None,
        })
        .collect();
    let mut expected: Vec<u32> = (0..total).step_by(64).collect();
    expected.push(total);
    assert_eq!(steps, expected);
}

/// No answer is asked for, so none is given; the prompt is counted all the same.
#[tokio::test]
async fn a_bound_of_no_tokens_gives_an_empty_answer() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::count()).await;
    request.max_tokens = 0;
    let answer = kit::run(lane.as_mut(), request).await;
    assert_eq!((answer.text().as_str(), answer.reason()), ("", FinishReason::Length));
}

/// A caller that forgets to quiesce waits inside the next stream; two requests never meet in the engine.
#[tokio::test]
async fn a_stream_waits_for_the_one_before_it() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let count = kit::request(&model, kit::count()).await;
    for _ in 0..5 {
        kit::cancel_after_tokens(lane.as_mut(), count.clone(), 1).await;
        drop(lane.generate(count.clone()));
        let answer = kit::collect(lane.generate(count.clone())).await;
        assert_eq!(answer.text(), kit::count_text());
    }
}

#[tokio::test]
async fn requests_out_of_range_fail_and_leave_the_lane_sound() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    let good = kit::request(&model, kit::repeat("otter 3")).await;
    let mut bad = vec![good.clone(); 5];
    bad[0].prompt.tokens = vec![];
    bad[1].prompt.tokens = vec![u32::MAX];
    bad[2].prompt.tokens = vec![1; model.info.context_len as usize];
    bad[3].options.sampling.temperature = f32::NAN;
    bad[4].options.sampling.top_p = -1.0;
    for request in bad {
        let mut stream = lane.generate(request.clone());
        let first = stream.next().await;
        assert!(matches!(first, Some(Ok(Event::Prompt { processed: 0, .. }))), "{first:?}");
        let second = stream.next().await;
        assert!(
            matches!(second, Some(Err(GenerateError::Failed { .. }))),
            "{second:?} for {:?}",
            request.options.sampling
        );
        assert!(stream.next().await.is_none());
        drop(stream);
        lane.quiesce().await;
        assert_eq!(kit::text_of(lane.as_mut(), good.clone()).await, "otter 3");
    }
}
