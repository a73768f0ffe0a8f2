//! What a client asks of the service.

use std::time::Duration;

use backend::{Chat, GenerateOptions, Prompt, TokenId};

use crate::Class;

/// One request for a generation. Ranges of the sampling have been checked.
#[derive(Debug, Clone)]
pub struct Request {
    /// Names the request in logs, views and outcomes. Unique as far as the caller can make it so.
    pub id: String,
    /// Who asks, where that is known: an address, the name of a key.
    pub client: Option<String>,
    /// The model as the client named it: a tier, a model's id or an alias.
    pub model: String,
    /// Its priority class.
    pub class: Class,
    /// What to continue.
    pub prompt: Prompt,
    /// How to generate, and what is wanted besides the text.
    pub options: GenerateOptions,
    /// Tokens to generate at most; the model's default where `None`.
    pub max_tokens: Option<u32>,
    /// How long to wait for a lane at most; never more than [`Limits::queue_timeout`](crate::Limits).
    pub queue_timeout: Option<Duration>,
}

/// One request for embeddings, or for the scores of documents.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// Names the request, as in [`Request`].
    pub id: String,
    /// Who asks.
    pub client: Option<String>,
    /// The model as the client named it.
    pub model: String,
    /// Its priority class.
    pub class: Class,
    /// What to compute embeddings of, all under one lease; at least one. Of a [`Prompt::Pair`] it is its score.
    pub inputs: Vec<Input>,
    /// How long to wait for a lane at most, as in [`Request`].
    pub queue_timeout: Option<Duration>,
}

/// What a model is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Something that the model's encoder turns into tokens.
    Prompt(Prompt),
    /// Tokens of the model's own vocabulary, taken as they are.
    Tokens(Vec<TokenId>),
}

/// Makes a conversation shorter that has more tokens than there is room for, and says whether it could. Called with that
/// conversation, its tokens and those of the context, until it fits or nothing more can go. Must not block.
pub type Shorten = Box<dyn FnMut(&mut Chat, u32, u32) -> bool + Send>;
