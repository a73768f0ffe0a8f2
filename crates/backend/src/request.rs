//! What a lane is asked to do.

use std::sync::Arc;

use crate::{Chat, GenerateOptions, Image};

/// A token's number in the model's vocabulary.
pub type TokenId = u32;

/// Numbers from here on are no tokens of a vocabulary. Each stands for a part of a picture: `IMAGE_TOKENS + n` for the one
/// that [`Chat::images`] has at `n`, as often as the picture takes tokens.
pub const IMAGE_TOKENS: TokenId = 1 << 31;

/// What the model is given: to continue it, to embed it, or to rank it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, rendered with the model's own chat template.
    Chat(Chat),
    /// Text as it is, without a template.
    Text(String),
    /// A document that is to be ranked, for [`Lane::embed`](crate::Lane::embed) of a model that ranks.
    Pair(Pair),
}

/// A question and a text that may answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The question. The documents of one request share it.
    pub query: Arc<str>,
    /// The text.
    pub document: String,
}

impl Prompt {
    /// The pictures in it, in their order.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        let chat = match self {
            Self::Chat(chat) => Some(chat),
            Self::Text(_) | Self::Pair(_) => None,
        };
        chat.into_iter().flat_map(Chat::images)
    }
}

/// A prompt that fits the context of the model that encoded it, and only of that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPrompt {
    /// What was encoded.
    pub prompt: Prompt,
    /// Its tokens, [pictures](IMAGE_TOKENS) included: at least one, fewer than the context holds.
    pub tokens: Vec<TokenId>,
}

/// One generation.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// What to continue, encoded by the same model.
    pub prompt: EncodedPrompt,
    /// How, and what is wanted besides the text. Nothing in it needs a capability that the model lacks.
    pub options: GenerateOptions,
    /// Tokens to generate at most. The end of the context bounds it too.
    pub max_tokens: u32,
}
