//! The answer itself: its events, its end, and its text whatever the tokens cut it into.

use super::{Subject, kit};
use crate::{Event, FinishReason};

/// Prompt progress up to the last prompt token, tokens, exactly one finish, the end; the usage is what was counted.
/// Method: [`kit::run`] checks the order of every answer of the suite; here are a short, a long and a cut one.
pub async fn events_come_in_the_order_of_the_contract(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for (prompt, max_tokens) in [(kit::repeat("a"), 400), (kit::count(), 400), (kit::count(), 3)] {
        let mut request = kit::request(&model, prompt).await;
        request.max_tokens = max_tokens;
        let answer = kit::run(lane.as_mut(), request).await;
        assert!(matches!(answer.events.first(), Some(Event::Prompt { .. })), "no prompt progress: {answer:?}");
        assert!(matches!(answer.events.last(), Some(Event::Finish(_))), "no finish: {answer:?}");
    }
}

/// The model's own end of the answer is a stop, with the whole text before it.
pub async fn the_answer_ends_by_itself_with_stop(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for (prompt, expected) in [(kit::repeat("gravel 77"), "gravel 77".into()), (kit::count(), kit::count_text())] {
        let answer = kit::run(lane.as_mut(), kit::request(&model, prompt).await).await;
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.reason(), FinishReason::Stop);
    }
}

/// Characters of two, three and four bytes arrive whole, wherever the tokens cut them.
/// Method: no event holds a replacement character, and the pieces together are the text.
pub async fn a_character_split_over_tokens_comes_out_whole(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for text in ["é", "日本", "🦀", "ßé日🦀"] {
        let answer = kit::run(lane.as_mut(), kit::request(&model, kit::repeat(text)).await).await;
        for piece in answer.token_texts() {
            assert!(!piece.contains('\u{fffd}'), "a broken character in {piece:?} of {text:?}");
        }
        assert_eq!(answer.text(), text);
        assert_eq!(answer.reason(), FinishReason::Stop);
    }
}

/// The answer ends before the first stop string, and no part of that is ever shown.
/// Method: stop strings that begin and end at every place of the answer, so that some of them are cut by tokens.
pub async fn a_stop_string_split_over_tokens_is_found_and_never_shown(subject: &impl Subject) {
    const TEXT: &str = "amber falcon";
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let cuts = (0..TEXT.len() - 2).map(|at| (vec![TEXT[at..at + 3].to_string()], &TEXT[..at]));
    let several = [
        (vec!["falcon".into(), "er f".into()], "amb"),
        (vec!["zebra".into(), "amber falcon".into()], ""),
        // "con" is complete first, but only the string that begins first is the end of the text that may be seen.
        (vec!["r falcon".into(), "n".into()], "ambe"),
    ];
    for (stop, expected) in cuts.chain(several) {
        let mut request = kit::request(&model, kit::repeat(TEXT)).await;
        request.options.stop = stop.clone();
        let answer = kit::run(lane.as_mut(), request).await;
        assert_eq!(answer.text(), expected, "with {stop:?}");
        assert_eq!(answer.reason(), FinishReason::Stop, "with {stop:?}");
    }
}

/// Text held back because it might become a stop string is shown when the answer ends first.
/// Method: a stop string that is the end of the answer and one character more; once the model ends it, once the bound.
pub async fn text_that_only_begins_a_stop_string_is_shown(subject: &impl Subject) {
    const TEXT: &str = "amber falcon";
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat(TEXT)).await;
    let plain = kit::run(lane.as_mut(), request.clone()).await;
    request.options.stop = vec!["falcons".into()];

    let answer = kit::run(lane.as_mut(), request.clone()).await;
    assert_eq!((answer.text().as_str(), answer.reason()), (TEXT, FinishReason::Stop));

    // One token less than the plain answer took leaves out the token that ends it.
    request.max_tokens = plain.finish().usage.completion_tokens - 1;
    let answer = kit::run(lane.as_mut(), request).await;
    assert_eq!((answer.text().as_str(), answer.reason()), (TEXT, FinishReason::Length));
}
