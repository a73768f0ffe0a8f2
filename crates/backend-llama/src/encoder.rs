//! From prompts to tokens, beside the lane.

mod runs;

use std::sync::Arc;

use async_trait::async_trait;
use backend::{ChatMessage, EncodedPrompt, Prompt, PromptEncoder, PromptError, TokenId};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::specials::{ControlTexts, Piece};
use crate::template::ChatTemplate;

/// Prompts up to this many bytes are encoded where the caller is, and longer ones on a thread for blocking work.
/// Tokenising takes up to a millisecond per KiB; handing it over takes some ten microseconds.
const INLINE_BYTES: usize = 2 * 1024;
/// What rendering a message costs beside its text, in bytes of text.
const MESSAGE_BYTES: usize = 32;

/// What encoding needs of a model. None of it changes, so any number of threads may use it.
pub(crate) struct Vocabulary {
    /// Keeps the weights loaded for as long as somebody may encode.
    pub(crate) model: Arc<LlamaModel>,
    /// `None` where the model has no template, `Err` where it has one that does not compile.
    pub(crate) template: Option<Result<ChatTemplate, String>>,
    pub(crate) controls: ControlTexts,
    /// The token that begins every text, where the model wants one.
    pub(crate) bos: Option<LlamaToken>,
    /// Whether the tokenizer splits text into words first, and so must not see endless ones.
    pub(crate) splits_words: bool,
    pub(crate) context_len: u32,
}

/// The [`PromptEncoder`] of an instance.
pub(crate) struct LlamaEncoder {
    pub(crate) vocabulary: Arc<Vocabulary>,
}

impl LlamaEncoder {
    pub(crate) fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary: Arc::new(vocabulary) }
    }
}

#[async_trait]
impl PromptEncoder for LlamaEncoder {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        if cost(&prompt) <= INLINE_BYTES {
            return self.vocabulary.encode(prompt);
        }
        let vocabulary = Arc::clone(&self.vocabulary);
        let encoding = tokio::task::spawn_blocking(move || vocabulary.encode(prompt));
        encoding.await.unwrap_or_else(|error| Err(PromptError::Failed { reason: error.to_string() }))
    }
}

fn cost(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Chat(messages) => messages.iter().map(|message| message.content.len() + MESSAGE_BYTES).sum(),
    }
}

impl Vocabulary {
    fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        let mut tokens = match &prompt {
            // The author of a raw prompt writes control tokens to mean them.
            Prompt::Text(text) => self.tokenize(text, true),
            Prompt::Chat(messages) if messages.is_empty() => Vec::new(),
            Prompt::Chat(messages) => self.chat(messages)?,
        };
        if tokens.is_empty() {
            return Err(PromptError::Empty);
        }
        // Some templates write the token themselves; a second one would be read as an empty text before this one.
        if let Some(bos) = self.bos.filter(|bos| tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        let n = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        if n >= self.context_len {
            return Err(PromptError::TooLong { tokens: n, context_len: self.context_len });
        }
        let tokens = tokens.into_iter().map(id).collect();
        Ok(EncodedPrompt { prompt, tokens })
    }

    fn chat(&self, messages: &[ChatMessage]) -> Result<Vec<LlamaToken>, PromptError> {
        let refuse = |reason: String| PromptError::Template { reason };
        let template = match &self.template {
            None => return Err(PromptError::NoTemplate),
            Some(Err(reason)) => return Err(refuse(reason.clone())),
            Some(Ok(template)) => template,
        };
        let Some((messages, quoted)) = self.controls.quote(messages) else {
            return Ok(self.tokenize(&template.render(messages).map_err(refuse)?, true));
        };
        let rendered = template.render(&messages).map_err(refuse)?;
        let mut tokens = Vec::new();
        for piece in quoted.pieces(&rendered) {
            tokens.append(&mut match piece {
                Piece::Rendered(text) => self.tokenize(text, true),
                Piece::Literal(text) => self.tokenize(text, false),
            });
        }
        Ok(tokens)
    }

    /// Adds nothing at the ends: what a model wants there is decided in one place, in `encode`.
    fn tokenize(&self, text: &str, parse_special: bool) -> Vec<LlamaToken> {
        let vocab = self.model.vocab();
        let tokenize = |text: &str| vocab.tokenize(text.as_bytes(), false, parse_special);
        if self.splits_words {
            runs::cut(text, &self.controls).into_iter().flat_map(tokenize).collect()
        } else {
            tokenize(text)
        }
    }
}

fn id(token: LlamaToken) -> TokenId {
    TokenId::try_from(token.0).expect("the tokenizer gives tokens of its own vocabulary")
}

#[cfg(test)]
mod tests;
