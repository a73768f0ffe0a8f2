//! Prompts to tokens, beside the lanes.

use async_trait::async_trait;
use backend::{EncodedPrompt, Prompt, PromptEncoder, PromptError};

use crate::vocabulary;

/// Counts tokens as the lanes of the same model do.
pub(crate) struct Encoder {
    pub(crate) context_len: u32,
    pub(crate) bytes_per_token: usize,
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
}
