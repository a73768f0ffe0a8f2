//! Lanes that are computed together, where one of them fails or holds still.

use backend::conformance::kit::{self, Answer};
use backend::{Event, GenerateError, GenerateRequest, Lane, LoadedModel};
use futures_util::{FutureExt, StreamExt, future};

use super::LlamaLane;
use crate::engine::Fault;
use crate::testing;

struct Instance {
    model: LoadedModel,
    lanes: Vec<LlamaLane>,
}

async fn instance(n_lanes: u32) -> Instance {
    let (loaded, _) = testing::load_spec(backend::ModelSpec { lanes: n_lanes, ..testing::spec() }).await;
    let model = LoadedModel { info: loaded.info, encoder: std::sync::Arc::new(loaded.encoder), lanes: vec![] };
    Instance { model, lanes: loaded.lanes }
}

impl Instance {
    async fn count(&self) -> GenerateRequest {
        kit::request(&self.model, kit::count()).await
    }
}

/// A failure is one lane's: it fails its request and nobody else's, and after a reset the lane is as new.
/// Method: a fault on one of three lanes in the middle of the answers on the other two, for each kind of fault: a panic, a
/// result that must not be, and a step that fails whoever shares it, so that it has to be found out whose fault it is.
#[tokio::test]
async fn a_failure_on_one_lane_leaves_the_others_their_answers() {
    let mut instance = instance(3).await;
    for fault in [Fault::Panic, Fault::Decode, Fault::Step, Fault::Step] {
        let count = instance.count().await;
        let [first, second, fails] = instance.lanes.as_mut_slice() else { panic!("three lanes were asked for") };
        let (mut one, mut two) = (first.generate(count.clone()), second.generate(count.clone()));
        let begun = [begin(&mut one).await, begin(&mut two).await];
        fails.fault = Some(fault);
        let (one, two, failed) =
            future::join3(kit::collect(one), kit::collect(two), kit::run(fails, count.clone())).await;
        assert!(is_planted(&failed), "{failed:?}");
        for (begun, rest) in begun.iter().zip([one, two]) {
            assert_eq!(begun.clone() + &rest.text(), kit::count_text());
        }
        let refused = kit::run(fails, count).await;
        assert!(matches!(&refused.error, Some(GenerateError::LaneBroken { reason }) if reason.contains("reset")));
        fails.reset().await.expect("the lane can be reset");
        for lane in &mut instance.lanes {
            lane.quiesce().await;
            kit::check_as_new(&instance.model, lane).await;
        }
    }
}

/// The first four characters of an answer, one a token.
async fn begin(stream: &mut backend::EventStream<'_>) -> String {
    let mut begun = String::new();
    while begun.len() < 4 {
        if let Some(Ok(Event::Token(token))) = stream.next().await {
            begun += &token.text;
        }
    }
    begun
}

fn is_planted(answer: &Answer) -> bool {
    matches!(&answer.error, Some(GenerateError::LaneBroken { reason }) if reason.contains("planted"))
}

/// Whoever reads slowly holds up nobody, and misses nothing.
/// Method: the first lane's answer is not read until the second's has come to its end several times, and it is longer than
/// what may wait for its reader.
#[tokio::test]
async fn a_reader_that_holds_still_holds_up_nobody() {
    let mut instance = instance(2).await;
    let count = instance.count().await;
    let [slow, quick] = instance.lanes.as_mut_slice() else { panic!("two lanes were asked for") };
    let mut held_up = slow.generate(count.clone());
    assert!(held_up.next().now_or_never().is_some(), "the first event is there at once");
    for _ in 0..3 {
        assert_eq!(kit::text_of(quick, count.clone()).await, kit::count_text());
    }
    // Nobody but the slow reader is left, so now the engine itself waits; it must hear of a lane that leaves all the same.
    quick.reset().await.expect("the lane is sound");
    assert_eq!(kit::collect(held_up).await.text(), kit::count_text());
}

/// A conversation that goes on finds its own answer in the cache as well.
#[tokio::test]
async fn lanes_together_use_every_token_again() {
    let mut instance = instance(2).await;
    let count = instance.count().await;
    let lane = &mut instance.lanes[0];
    let answer = kit::run(lane, count.clone()).await;
    assert_eq!(answer.finish().usage.cached_tokens, 0);
    let mut request = count.clone();
    let said = instance.model.encoder.encode(backend::Prompt::Text(answer.text())).await.expect("it fits").tokens;
    request.prompt.tokens.extend(said);
    request.max_tokens = 1;
    let cached = kit::run(lane, request.clone()).await.finish().usage.cached_tokens;
    assert_eq!(cached, kit::n_tokens(&request.prompt) - 1);
    let repeated = kit::run(lane, request.clone()).await.finish().usage.cached_tokens;
    assert_eq!(repeated, kit::n_tokens(&request.prompt));
    request.options.cache_prompt = false;
    assert_eq!(kit::run(lane, request).await.finish().usage.cached_tokens, 0);
}

/// A long prompt delays an answer on another lane by one step of it at a time, and is computed all the same.
/// Method: with the smallest step, tokens of the answer come between the reports of the prompt.
#[tokio::test]
async fn a_long_prompt_and_an_answer_take_turns() {
    let mut spec = backend::ModelSpec { lanes: 2, ..testing::spec() };
    spec.tuning.step_tokens = 16;
    let (loaded, _) = testing::load_spec(spec).await;
    let model = LoadedModel { info: loaded.info, encoder: std::sync::Arc::new(loaded.encoder), lanes: vec![] };
    let mut lanes = loaded.lanes;
    let (long, _) = kit::longest_prompt(&model).await;
    let count = kit::request(&model, kit::count()).await;
    let [answers, reads] = lanes.as_mut_slice() else { panic!("two lanes were asked for") };
    let mut answer = answers.generate(count);
    while !matches!(answer.next().await, Some(Ok(Event::Token(_)))) {}
    let mut prompt = reads.generate(kit::request_for(long.clone()));
    let (mut tokens, mut reports) = (0, 0);
    loop {
        tokio::select! {
            biased;
            event = answer.next() => match event {
                Some(Ok(Event::Token(_))) => tokens += 1,
                Some(Ok(Event::Finish(_))) | None => break,
                other => panic!("{other:?}"),
            },
            event = prompt.next() => match event {
                Some(Ok(Event::Prompt { processed, total })) => {
                    reports += 1;
                    if processed == total {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            },
        }
    }
    // A thousand tokens in steps of 16; the answer has 170 tokens and as many steps, so the prompt is done first.
    assert!(reports >= 60, "{reports} reports");
    assert!(tokens >= 20, "the answer got {tokens} tokens meanwhile, of {reports} steps");
}
