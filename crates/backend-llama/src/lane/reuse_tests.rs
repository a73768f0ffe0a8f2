//! What is used again of the prompt before changes nothing but the time.

use std::sync::mpsc::{Receiver, channel};

use backend::conformance::kit;
use backend::{Chat, ChatMessage, GenerateRequest, LoadedModel, Prompt, Role};

use futures_util::StreamExt;

use super::LlamaLane;
use crate::testing;

/// A model with one lane whose logits can be heard.
pub(super) struct Instance {
    pub(super) model: LoadedModel,
    pub(super) lane: LlamaLane,
    heard: Receiver<Vec<f32>>,
}

/// One answer, with the logits that each of its tokens was chosen from.
#[derive(PartialEq)]
pub(super) struct Heard {
    pub(super) text: String,
    logits: Vec<Vec<u32>>,
}

impl Instance {
    pub(super) fn new(loaded: crate::load::Loaded) -> Self {
        let mut lanes = loaded.lanes;
        let mut lane = lanes.remove(0);
        let (listener, heard) = channel();
        lane.listener = Some(listener);
        Self {
            model: LoadedModel { info: loaded.info, encoder: std::sync::Arc::new(loaded.encoder), lanes: vec![] },
            lane,
            heard,
        }
    }

    /// Runs a request, and tells how many tokens of its prompt were used again.
    pub(super) async fn run(&mut self, request: &GenerateRequest, cache_prompt: bool) -> (Heard, u32) {
        let mut request = request.clone();
        request.options.cache_prompt = cache_prompt;
        let answer = kit::run(&mut self.lane, request).await;
        let cached = answer.finish().usage.cached_tokens;
        let logits = self.heard.try_iter().map(|logits| logits.into_iter().map(f32::to_bits).collect()).collect();
        (Heard { text: answer.text(), logits }, cached)
    }

    /// Begins an answer and leaves it after so many tokens.
    pub(super) async fn leave(&mut self, request: GenerateRequest, n_tokens: usize) {
        kit::cancel_after_tokens(&mut self.lane, request, n_tokens).await;
        backend::Lane::quiesce(&mut self.lane).await;
        self.heard.try_iter().for_each(drop);
    }

    pub(super) async fn request(&self, messages: &[ChatMessage]) -> GenerateRequest {
        kit::request(&self.model, Prompt::Chat(Chat::new(messages.to_vec()))).await
    }
}

/// Numbers that look random, the same in every run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    pub(super) fn text(&mut self, len_max: usize) -> String {
        (0..=self.below(len_max)).map(|_| char::from(b' ' + u8::try_from(self.below(95)).expect("ASCII"))).collect()
    }

    /// A request that begins like the one before, more or less, as conversations do.
    fn next_turn(&mut self, messages: &mut Vec<ChatMessage>) {
        let n_bytes: usize = messages.iter().map(|message| message.content.len() + 16).sum();
        match self.below(4) {
            _ if n_bytes > 600 => messages.clear(),
            0 => messages.truncate(self.below(messages.len() + 1)),
            _ => {}
        }
        messages.push(ChatMessage::new(Role::User, self.text(150)));
    }
}

/// A lane that uses its cache again gives the same text as one that never does, and computes it from the same logits,
/// bit by bit. Greedy and sampled, with 8-bit and with 16-bit weights.
/// Method: conversations that go on, go back and begin anew; each request with the cache, once more at once, which computes
/// nothing of its prompt, and without. In between an answer is broken off, which leaves the cache anywhere.
async fn reuse_changes_no_bit(loaded: crate::load::Loaded) {
    let mut instance = Instance::new(loaded);
    let (mut numbers, mut messages, mut n_cached) = (Numbers(7), Vec::new(), 0);
    for round in 0..40 {
        numbers.next_turn(&mut messages);
        let mut request = instance.request(&messages).await;
        request.max_tokens = 24;
        if round % 2 == 1 {
            request.options.sampling.temperature = 1.5;
            request.options.sampling.repeat_penalty = 1.1;
            request.options.sampling.seed = round;
        }
        // What is in the cache is of the request before, or of one that left in the middle.
        if round % 5 == 4 {
            instance.leave(request.clone(), numbers.below(9)).await;
        }
        let (again, cached) = instance.run(&request, true).await;
        let (repeated, all) = instance.run(&request, true).await;
        let (anew, none) = instance.run(&request, false).await;
        assert_eq!((all, none), (kit::n_tokens(&request.prompt), 0), "round {round}");
        for (run, cached) in [(&again, cached), (&repeated, all)] {
            assert_eq!(run.text, anew.text, "round {round}: {cached} tokens were used again");
            assert!(*run == anew, "round {round}: other logits, {cached} tokens were used again");
        }
        n_cached += cached;
        messages.push(ChatMessage::new(Role::Assistant, again.text));
    }
    assert!(n_cached > 3000, "little was used again: {n_cached} tokens");
}

#[tokio::test]
async fn reuse_changes_no_bit_with_8_bit_weights() {
    let (loaded, _) = testing::load().await;
    reuse_changes_no_bit(loaded).await;
}

#[tokio::test]
async fn reuse_changes_no_bit_with_16_bit_weights() {
    let (loaded, _) = testing::load_half().await;
    reuse_changes_no_bit(loaded).await;
}

/// What is kept of a prompt is for that prompt: not for another one of its length, nor for itself after another was begun.
/// Method: prompts that differ in one letter of their last step, in turns, broken off or not; each is told apart by the
/// logits that its first token is chosen from, which must be those of a run without a cache.
#[tokio::test]
async fn an_answer_begins_from_the_logits_of_its_own_prompt() {
    let (loaded, _) = testing::load().await;
    let mut instance = Instance::new(loaded);
    let mut prompts = Vec::new();
    for letter in ["a", "b"] {
        let text = format!("{} {letter}", kit::words(30));
        let mut request = instance.request(&[ChatMessage::new(Role::User, text)]).await;
        request.max_tokens = 3;
        let (heard, _) = instance.run(&request, false).await;
        prompts.push((request, heard));
    }
    let n_tokens = kit::n_tokens(&prompts[0].0.prompt);
    assert_eq!(n_tokens, kit::n_tokens(&prompts[1].0.prompt));
    assert_ne!(prompts[0].1.logits[0], prompts[1].1.logits[0], "the letter makes no difference");
    for (turn, repeats) in [(0, false), (0, true), (1, false), (0, false), (1, false), (1, true)] {
        let (request, heard) = &prompts[turn];
        let (again, cached) = instance.run(request, true).await;
        assert!(again == *heard, "logits of another prompt");
        assert_eq!(cached == n_tokens, repeats, "{cached} of {n_tokens} tokens");
    }
    // Prompt 1 is in the cache. Another one takes its last step away, and itself leaves before its own is computed.
    let (other, _) = &prompts[0];
    drop(backend::Lane::generate(&mut instance.lane, other.clone()));
    backend::Lane::quiesce(&mut instance.lane).await;
    instance.heard.try_iter().for_each(drop);
    let (request, heard) = &prompts[1];
    assert!(instance.run(request, true).await.0 == *heard, "logits of a prompt that was left");
}

/// Nor are they for a prompt of the same length that is the beginning of another one, which took its place and was left before
/// its end.
#[tokio::test]
async fn an_answer_does_not_begin_from_logits_of_the_same_place() {
    let mut spec = testing::spec();
    spec.tuning.step_tokens = 16;
    let (loaded, _) = testing::load_spec(spec).await;
    let mut instance = Instance::new(loaded);
    let all = kit::encode(&instance.model, kit::repeat(&kit::words(100))).await;
    let mut long = kit::request_for(all.clone());
    long.max_tokens = 6;
    let mut begun = long.clone();
    begun.prompt.tokens.truncate(32);
    let mut other = begun.clone();
    other.prompt.tokens[31] = other.prompt.tokens[30];
    assert_ne!(other.prompt.tokens, begun.prompt.tokens);
    let (anew, _) = instance.run(&begun, false).await;
    let (others, _) = instance.run(&other, true).await;
    assert_ne!(others.logits[0], anew.logits[0], "the last token makes no difference");
    let mut left = backend::Lane::generate(&mut instance.lane, long.clone());
    while !matches!(left.next().await, Some(Ok(backend::Event::Prompt { processed: 32.., .. }))) {}
    drop(left);
    backend::Lane::quiesce(&mut instance.lane).await;
    instance.heard.try_iter().for_each(drop);
    let (again, cached) = instance.run(&begun, true).await;
    assert!(again == anew, "logits of another prompt");
    assert_eq!(cached, 16, "whole steps, and not the last one");
}

/// Of a long prompt with a new end, only the last steps are computed, and of the same one nothing.
#[tokio::test]
async fn a_long_prefix_is_computed_once() {
    let (loaded, _) = testing::load().await;
    let mut instance = Instance::new(loaded);
    let prefix = kit::words(170);
    for (round, end) in ["gravel 77", "otter 3", "otter 3"].into_iter().enumerate() {
        let messages = [ChatMessage::new(Role::System, prefix.clone()), ChatMessage::new(Role::User, end)];
        let mut request = instance.request(&messages).await;
        request.max_tokens = 2;
        let answer = kit::run(&mut instance.lane, request).await;
        let usage = answer.finish().usage;
        assert_eq!(usage.cached_tokens, [0, 832, usage.prompt_tokens][round], "{usage:?}");
    }
}
