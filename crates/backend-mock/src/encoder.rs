//! Prompts to tokens, beside the lanes.

use async_trait::async_trait;
use backend::{Chat, EncodedPrompt, GenerateOptions, Prompt, PromptEncoder, PromptError, TokenId};

use crate::vocabulary::{self, UnknownToken};

/// Counts tokens as the lanes of the same model do.
pub(crate) struct Encoder {
    pub(crate) context_len: u32,
    pub(crate) bytes_per_token: usize,
    /// Adapters that the load named.
    pub(crate) n_adapters: usize,
}

/// Whether there is the adapter that a request asks for.
///
/// # Errors
/// Why not.
pub(crate) fn check_adapter(options: &GenerateOptions, n_adapters: usize) -> Result<(), String> {
    match options.adapter {
        Some(adapter) if adapter.number as usize >= n_adapters => {
            Err(format!("there is no adapter {}; the model has {n_adapters}", adapter.number))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl PromptEncoder for Encoder {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        let tokens = vocabulary::tokens_of(&prompt, self.bytes_per_token);
        let n_tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        if n_tokens == 0 {
            Err(PromptError::Empty)
        } else if n_tokens < self.context_len {
            Ok(EncodedPrompt { prompt, tokens })
        } else {
            Err(PromptError::TooLong { tokens: n_tokens, context_len: self.context_len })
        }
    }

    async fn check(&self, _prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), PromptError> {
        check_adapter(options, self.n_adapters).map_err(|reason| PromptError::Options { reason })
    }

    /// Each message as `role: content`, a line each.
    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        let lines = chat.messages.iter().map(|message| format!("{}: {}\n", message.role.as_str(), message.content));
        Ok(lines.chain(["assistant: ".to_string()]).collect())
    }

    /// There are no control tokens in a text, and none that begins a prompt.
    async fn tokenize(&self, text: String, _specials: bool, _as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        Ok(vocabulary::text_tokens(&text, self.bytes_per_token).collect())
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        let bytes =
            |token| vocabulary::bytes_of(token).map_err(|UnknownToken(token)| PromptError::UnknownToken { token });
        tokens.into_iter().map(bytes).collect()
    }
}
