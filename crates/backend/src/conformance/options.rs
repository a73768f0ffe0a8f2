//! What a request may ask of its answer besides the text.
//!
//! A scripted subject chooses nothing, and one without a capability refuses: those tests say that they skip.

use super::{Subject, kit};
use crate::{Adapter, Constraint, Event, FinishReason, GenerateError, PromptError, Scale, TokenLogprob};

fn told(answer: &kit::Answer) -> Vec<Option<TokenLogprob>> {
    let of = |event: &Event| match event {
        Event::Token(token) => Some(token.logprob.clone()),
        _ => None,
    };
    answer.events.iter().filter_map(of).collect()
}

/// Probabilities are told of each token, as many alternatives as were asked for, likeliest first; and only where they
/// are asked for.
pub async fn probabilities_are_told_where_they_are_asked_for(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    if !subject.chooses() || !model.info.capabilities.logprobs {
        eprintln!("skipped: the subject tells no probabilities");
        return;
    }
    let mut lane = kit::only_lane(&mut model);
    for n_top in [0_u32, 1, 5] {
        let mut request = kit::request(&model, kit::repeat("gravel 77")).await;
        request.options.logprobs = Some(n_top);
        let answer = kit::run(lane.as_mut(), request).await;
        for token in told(&answer) {
            let TokenLogprob { chosen, top } = token.unwrap_or_else(|| panic!("a token without: {answer:?}"));
            assert!(top.len() == n_top as usize, "{} alternatives of {n_top}", top.len());
            assert!(top.is_sorted_by(|a, b| a.logprob >= b.logprob), "the likeliest comes first: {top:?}");
            let all = || top.iter().chain([&chosen]);
            assert!(all().all(|c| c.logprob <= 0.0 && c.logprob.is_finite()), "{chosen:?} {top:?}");
            let sum: f64 = top.iter().map(|c| f64::from(c.logprob).exp()).sum();
            assert!(sum < 1.001, "the probabilities of {top:?} are {sum}");
            if let (true, Some(likeliest)) = (subject.chooses(), top.first()) {
                assert_eq!(chosen, *likeliest, "temperature 0 takes the likeliest");
            }
        }
        let mut plain = kit::request(&model, kit::repeat("gravel 77")).await;
        plain.max_tokens = 400;
        let plain = kit::run(lane.as_mut(), plain).await;
        assert!(told(&plain).iter().all(Option::is_none), "nobody asked: {plain:?}");
        assert_eq!(plain.text(), answer.text(), "who asks gets the same text");
    }
}

/// An end that is ignored is not the end: the answer goes on to its bound.
pub async fn an_end_that_is_ignored_is_not_the_end(subject: &impl Subject) {
    if !subject.chooses() {
        eprintln!("skipped: the subject chooses no tokens");
        return;
    }
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat("gravel 77")).await;
    request.options.ignore_end = true;
    request.max_tokens = 50;
    let answer = kit::run(lane.as_mut(), request).await;
    assert!(answer.text().starts_with("gravel 77"), "{:?}", answer.text());
    assert_eq!((answer.reason(), answer.finish().usage.completion_tokens), (FinishReason::Length, 50));
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A token that is forbidden never comes, though it would be the likeliest.
pub async fn a_forbidden_token_never_comes(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    if !subject.chooses() || !model.info.capabilities.logprobs {
        eprintln!("skipped: the subject chooses no tokens, or does not tell which");
        return;
    }
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::repeat("gravel 77")).await;
    request.options.logprobs = Some(0);
    let chosen = |answer: &kit::Answer| -> Vec<Vec<u8>> {
        told(answer).into_iter().flatten().map(|token| token.chosen.bytes).collect()
    };
    let free = chosen(&kit::run(lane.as_mut(), request.clone()).await);
    let text = String::from_utf8(free[0].clone()).expect("the answer begins with a whole character");
    let tokens = model.encoder.tokenize(text, false, false).await.expect("it is a text");
    let &[forbidden] = tokens.as_slice() else { panic!("a token comes back from its text: {tokens:?}") };
    for temperature in [0.0, 1.5] {
        request.options.sampling.temperature = temperature;
        request.options.sampling.logit_bias = vec![(forbidden, f32::NEG_INFINITY)];
        let answer = kit::run(lane.as_mut(), request.clone()).await;
        assert!(!chosen(&answer).contains(&free[0]), "{answer:?}");
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// An answer with a grammar is one that the grammar has.
pub async fn an_answer_follows_its_grammar(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    if !subject.chooses() || !model.info.capabilities.constraints {
        eprintln!("skipped: the subject follows no grammar");
        return;
    }
    let mut lane = kit::only_lane(&mut model);
    let mut request = kit::request(&model, kit::count()).await;
    request.options.constraint = Some(Constraint::Grammar("root ::= \"yes\" | \"no\" \"!\"*".into()));
    request.max_tokens = 8;
    let answer = kit::run(lane.as_mut(), request).await;
    let text = answer.text();
    let allowed = text == "yes" || text.strip_prefix("no").is_some_and(|rest| rest.chars().all(|c| c == '!'));
    assert!(allowed, "{text:?} follows no rule");
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A model has the adapters that its load names. Whoever asks for another one hears so before and on the lane.
pub async fn an_adapter_that_does_not_exist_is_refused(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    for number in [0, u32::MAX] {
        let mut request = kit::request(&model, kit::repeat("gravel 77")).await;
        request.options.adapter = Some(Adapter { number, scale: Scale::ONE });
        let checked = model.encoder.check(&request.prompt, &request.options).await;
        assert!(matches!(checked, Err(PromptError::Options { .. })), "{checked:?}");
        let answer = kit::collect(lane.generate(request)).await;
        assert!(matches!(answer.error, Some(GenerateError::Failed { .. })), "{answer:?}");
        lane.quiesce().await;
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}
