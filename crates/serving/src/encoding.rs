//! Texts and tokens of a model, for whoever only wants to look: nothing of it needs a lane.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use backend::{Chat, ModelInfo, Prompt, PromptEncoder, PromptError, TokenId};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::{Feature, Refusal, Service};

/// What turns texts of one model into tokens, and back.
#[derive(Clone)]
pub struct Encoding {
    model: String,
    info: ModelInfo,
    encoder: Arc<dyn PromptEncoder>,
}

impl Service {
    /// The encoding of the model that answers to this name, once that is loaded.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`], [`Refusal::ModelUnavailable`], and [`Refusal::QueueTimeout`] where it is not loaded
    /// within the time that requests may wait.
    pub async fn encoding(&self, model: &str) -> Result<Encoding, Refusal> {
        // An adapter changes no token.
        let (instance, _) = self.inner.resolve_adapted(model, None)?;
        let limit = self.inner.limits.queue_timeout;
        let model = instance.id().to_string();
        let loaded = timeout(limit, instance.loaded()).await;
        instance.touch();
        match loaded {
            Ok(Ok(loaded)) => Ok(Encoding { model, info: loaded.info, encoder: loaded.encoder }),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(Refusal::QueueTimeout { model, waited: limit, retry_after: None }),
        }
    }
}

impl Encoding {
    /// The model's id. With a tier this may be a fallback's.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What the engine found in the model.
    pub fn info(&self) -> ModelInfo {
        self.info
    }

    /// The text that the model's template makes of a conversation. See [`PromptEncoder::render`].
    ///
    /// # Errors
    /// [`Refusal::Prompt`].
    pub async fn render(&self, chat: Chat) -> Result<String, Refusal> {
        contained(self.encoder.render(chat)).await
    }

    /// How many tokens a conversation has, its pictures included. One that is too long for a context is counted as well,
    /// up to what [`tokenize`](Self::tokenize) takes; control tokens written out in it then count as such. With pictures it
    /// is not, since only a whole prompt says what they take.
    ///
    /// # Errors
    /// [`Refusal::Prompt`], and [`Refusal::Unsupported`] where there are pictures and the model has no eyes.
    pub async fn count(&self, chat: Chat) -> Result<usize, Refusal> {
        let has_pictures = chat.images().next().is_some();
        if has_pictures && !self.info.capabilities.vision {
            return Err(Refusal::Unsupported { model: self.model.clone(), feature: Feature::Vision });
        }
        match contained(self.encoder.encode(Prompt::Chat(chat.clone()))).await {
            Ok(encoded) => Ok(encoded.tokens.len()),
            Err(Refusal::Prompt(PromptError::TooLong { .. })) if !has_pictures => {
                let text = self.render(chat).await?;
                Ok(self.tokenize(text, true, true).await?.len())
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The tokens of a text. See [`PromptEncoder::tokenize`].
    ///
    /// # Errors
    /// [`Refusal::Prompt`].
    pub async fn tokenize(&self, text: String, specials: bool, as_prompt: bool) -> Result<Vec<TokenId>, Refusal> {
        contained(self.encoder.tokenize(text, specials, as_prompt)).await
    }

    /// The bytes of each of these tokens.
    ///
    /// # Errors
    /// [`Refusal::Prompt`].
    pub async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, Refusal> {
        contained(self.encoder.token_bytes(tokens)).await
    }
}

/// An encoder that panics fails who asked, and nobody else (S7).
async fn contained<T>(work: impl Future<Output = Result<T, PromptError>>) -> Result<T, Refusal> {
    let panicked = |_| Err(PromptError::Failed { reason: "the encoder panicked".into() });
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(panicked).map_err(Refusal::Prompt)
}
