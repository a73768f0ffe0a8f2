//! Lanes beside each other, and the encoder beside them.

use futures_util::{StreamExt, future};

use super::{Subject, kit};
use crate::Event;

/// A model that was asked for `n` lanes has `n` that work.
pub async fn there_are_as_many_lanes_as_asked_for(subject: &impl Subject) {
    for n in 1..=subject.lanes_max().min(4) {
        let mut model = subject.load(n).await;
        let mut lanes = std::mem::take(&mut model.lanes);
        assert_eq!(lanes.len(), n as usize);
        for lane in &mut lanes {
            kit::check_as_new(&model, lane.as_mut()).await;
        }
    }
}

/// Two requests at the same time on two lanes give the same texts as alone.
/// Method: a long answer beside short ones, both ways round, so that each lane is the slower one once.
pub async fn two_lanes_are_apart(subject: &impl Subject) {
    if skips(subject, "two_lanes_are_apart") {
        return;
    }
    let mut model = subject.load(2).await;
    let mut lanes = std::mem::take(&mut model.lanes);
    for text in ["gravel 77", "otter 3"] {
        let [first, second] = lanes.as_mut_slice() else { panic!("two lanes were asked for") };
        let count = kit::request(&model, kit::count()).await;
        let repeat = kit::request(&model, kit::repeat(text)).await;
        let long = kit::text_of(first.as_mut(), count);
        let short = async {
            for _ in 0..3 {
                assert_eq!(kit::text_of(second.as_mut(), repeat.clone()).await, text);
            }
        };
        let (counted, ()) = future::join(long, short).await;
        assert_eq!(counted, kit::count_text());
        lanes.swap(0, 1);
    }
}

/// Leaving one lane neither stops nor changes what runs on the other, and quiesce waits for its own lane only.
pub async fn cancelling_on_one_lane_leaves_the_other_alone(subject: &impl Subject) {
    if skips(subject, "cancelling_on_one_lane_leaves_the_other_alone") {
        return;
    }
    let mut model = subject.load(2).await;
    let mut lanes = std::mem::take(&mut model.lanes);
    let [stays, leaves] = lanes.as_mut_slice() else { panic!("two lanes were asked for") };
    let count = kit::request(&model, kit::count()).await;
    let mut stream = stays.generate(count.clone());
    let mut text = String::new();
    for _ in 0..3 {
        text += &next_token(&mut stream).await;
        kit::cancel_after_tokens(leaves.as_mut(), count.clone(), 2).await;
        // The other stream is not read meanwhile, so this must not need the other lane's engine to finish.
        leaves.quiesce().await;
    }
    let rest = kit::collect(stream).await;
    stays.quiesce().await;
    rest.finish();
    assert_eq!(text + &rest.text(), kit::count_text());
    kit::check_as_new(&model, leaves.as_mut()).await;
}

/// Encoding needs no lane: it comes back while an engine is in the middle of an answer.
pub async fn prompts_are_encoded_beside_a_running_lane(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let before = kit::encode(&model, kit::repeat(kit::PROBE)).await;
    let mut stream = lane.generate(kit::request(&model, kit::count()).await);
    let first = next_token(&mut stream).await;
    let meanwhile = kit::encode(&model, kit::repeat(kit::PROBE)).await;
    let rest = kit::collect(stream).await;
    lane.quiesce().await;
    assert_eq!(meanwhile, before);
    assert_eq!(first + &rest.text(), kit::count_text());
}

/// The text of the next token.
async fn next_token(stream: &mut crate::EventStream<'_>) -> String {
    loop {
        match stream.next().await {
            Some(Ok(Event::Token(token))) => return token.text,
            Some(Ok(Event::Prompt { .. })) => {}
            other => panic!("a token was expected, not {other:?}"),
        }
    }
}

/// Whether the subject has one lane only. Says so: a test that silently checks nothing looks like one that passed.
fn skips(subject: &impl Subject, test: &str) -> bool {
    let skips = subject.lanes_max() < 2;
    if skips {
        eprintln!("skipped: {test} needs two lanes, and this backend has one");
    }
    skips
}
