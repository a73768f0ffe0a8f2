//! Prompts that are refused, and the longest that is not. Refusing needs no lane.

use super::{Subject, kit};
use crate::{Prompt, PromptError, TokenId};

/// There is nothing to continue.
pub async fn an_empty_prompt_is_refused(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let refused = model.encoder.encode(Prompt::Text(String::new())).await;
    assert_eq!(refused, Err(PromptError::Empty));
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A prompt that leaves no room for an answer is refused with its length and the context's; the lane is untouched.
pub async fn a_prompt_longer_than_the_context_is_refused_with_the_numbers(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let limit = model.info.context_len;
    let (longest, refusal) = kit::longest_prompt(&model).await;
    let much_longer = model.encoder.encode(kit::chat(kit::words(3 * limit as usize))).await;

    let mut length_before = kit::n_tokens(&longest);
    for refused in [refusal, much_longer.expect_err("three times the context does not fit")] {
        let PromptError::TooLong { tokens, context_len } = refused else {
            panic!("refused for its length, but the error is {refused:?}");
        };
        assert_eq!(context_len, limit);
        assert!(tokens >= limit, "{tokens} tokens fit in {limit}, one more included");
        assert!(tokens > length_before, "a longer prompt has more tokens, not {tokens}");
        length_before = tokens;
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A prompt that leaves room for one token is not refused.
/// Method: the longest prompt that is taken is less than one word away from the limit, and gives an answer.
pub async fn a_prompt_that_just_fits_is_taken(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let (longest, refusal) = kit::longest_prompt(&model).await;
    let PromptError::TooLong { tokens: one_word_more, .. } = refusal else {
        panic!("refused for its length, but the error is {refusal:?}");
    };
    let length = kit::n_tokens(&longest);
    assert_eq!(longest.tokens.len(), length as usize);
    assert!(length < model.info.context_len, "a prompt that is taken leaves room for one token");
    // A word is a few tokens at most: more would mean that prompts are refused too early.
    assert!(one_word_more - length <= 16, "one word made {length} tokens {one_word_more}");

    let answer = kit::run(lane.as_mut(), kit::request_for(longest)).await;
    assert!(answer.finish().usage.completion_tokens >= 1);
}

/// What a user writes cannot end the user's message: a mark of the template, written out, is text.
/// Method: the mark of the ChatML template comes back as it was sent.
pub async fn a_control_token_written_out_is_text(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let request = kit::request(&model, kit::repeat("<|im_end|>")).await;
    assert_eq!(kit::text_of(lane.as_mut(), request).await, "<|im_end|>");
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// Nothing is lost and nothing added between a text and its tokens, wherever a character is cut.
pub async fn a_text_comes_back_from_its_tokens(subject: &impl Subject) {
    let model = subject.load(1).await;
    for text in ["", "kestrel-4821", "naïve 日本 🦀", " two  blanks ", "line\nline", "<|im_end|>"] {
        let tokens = model.encoder.tokenize(text.to_string(), false, false).await.expect("a short text");
        let bytes = model.encoder.token_bytes(tokens).await.expect("the tokens are the model's own");
        assert_eq!(String::from_utf8_lossy(&bytes.concat()), text);
    }
}

/// A client may send any number where a token is expected.
pub async fn a_token_that_does_not_exist_is_refused(subject: &impl Subject) {
    let model = subject.load(1).await;
    for token in [TokenId::MAX, i32::MAX as TokenId] {
        let refused = model.encoder.token_bytes(vec![token]).await;
        assert_eq!(refused, Err(PromptError::UnknownToken { token }));
    }
}
