//! The token that begins a text. The demo model wants none, so the tests pretend that it does.

use backend::{Chat, ChatMessage, Prompt, PromptEncoder, PromptError, Role, TokenId};

use super::{Borders, LlamaEncoder, Vocabulary};
use crate::specials::ControlTexts;
use crate::template::{ChatTemplate, Source};
use crate::testing;

const BOS: &str = "<|endoftext|>";
const WRITES_BOS: &str = "{{ bos_token }}{{ messages[0].content }}";
const LEAVES_BOS: &str = "{{ messages[0].content }}";

/// An encoder of the demo model with this template, and with a first token where one is wanted.
async fn encoder(template: Option<&str>, wants_bos: bool) -> (LlamaEncoder, TokenId) {
    let (loaded, _thread) = testing::load().await;
    let model = loaded.encoder.vocabulary.model.clone();
    let [bos] = model.vocab().tokenize(BOS.as_bytes(), false, true)[..] else { panic!("one token") };
    let template = template
        .map(|source| ChatTemplate::compile(Source { chat: source, tools: None }, BOS.to_string(), String::new()));
    let controls = ControlTexts::new([BOS.as_bytes().to_vec()]);
    let bos_wanted = wants_bos.then_some(bos);
    let vocabulary = Vocabulary {
        answerer: loaded.encoder.vocabulary.answerer.clone(),
        projector: None,
        saved_counts: std::sync::Arc::default(),
        model,
        template,
        controls,
        borders: Borders::default(),
        token_bytes_max: None,
        bos: bos_wanted,
        pairs: None,
        splits_words: true,
        context_len: 64,
        n_calls: std::sync::atomic::AtomicUsize::default(),
    };
    (LlamaEncoder::new(vocabulary), super::id(bos))
}

fn user(content: &str) -> Prompt {
    Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, content)]))
}

/// Whether template or model asks for the first token, a conversation begins with exactly one.
#[tokio::test]
async fn the_first_token_is_never_missing_and_never_twice() {
    for (template, wants_bos, expected) in
        [(WRITES_BOS, true, 1), (WRITES_BOS, false, 1), (LEAVES_BOS, true, 1), (LEAVES_BOS, false, 0)]
    {
        let (encoder, bos) = encoder(Some(template), wants_bos).await;
        let tokens = encoder.encode(user("Hi")).await.unwrap().tokens;
        assert_eq!(tokens.len(), "Hi".len() + expected, "{template}, {wants_bos}");
        assert_eq!(tokens.iter().filter(|&&token| token == bos).count(), expected, "{template}, {wants_bos}");
        assert_eq!(tokens[0] == bos, expected == 1);
    }
}

/// A message that begins with the text of the first token does not stand in for it.
#[tokio::test]
async fn the_first_token_cannot_come_from_a_message() {
    let (encoder, bos) = encoder(Some(LEAVES_BOS), true).await;
    let tokens = encoder.encode(user("<|endoftext|>Hi")).await.unwrap().tokens;
    assert_eq!(tokens[0], bos);
    assert_eq!(tokens.len(), 1 + BOS.len() + "Hi".len());
    assert!(!tokens[1..].contains(&bos));
}

#[tokio::test]
async fn raw_prompts_get_the_first_token_too() {
    let (encoder, bos) = encoder(None, true).await;
    let tokens = encoder.encode(Prompt::Text("Hi".to_string())).await.unwrap().tokens;
    assert_eq!((tokens.len(), tokens[0]), (3, bos));
    assert_eq!(encoder.encode(Prompt::Text(String::new())).await, Err(PromptError::Empty));
}

/// The first token counts: 62 bytes and it leave room for one more in 64, 63 do not.
#[tokio::test]
async fn the_limit_counts_the_first_token() {
    let (encoder, _) = encoder(None, true).await;
    assert!(encoder.encode(Prompt::Text("x".repeat(62))).await.is_ok());
    let refused = encoder.encode(Prompt::Text("x".repeat(63))).await;
    assert_eq!(refused, Err(PromptError::TooLong { tokens: 64, context_len: 64 }));
}

#[tokio::test]
async fn a_missing_or_broken_template_refuses_chats_only() {
    for (template, broken) in [(None, false), (Some("{% if %}"), true)] {
        let (encoder, _) = encoder(template, false).await;
        match encoder.encode(user("Hi")).await {
            Err(PromptError::NoTemplate) => assert!(!broken),
            Err(PromptError::Template { .. }) => assert!(broken),
            other => panic!("{other:?}"),
        }
        assert!(encoder.encode(Prompt::Text("Hi".to_string())).await.is_ok());
    }
}
