//! What a lane is asked to do.

use crate::Sampling;

/// A token's number in the model's vocabulary.
pub type TokenId = u32;

/// What the model is to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, rendered with the model's own chat template.
    Chat(Vec<ChatMessage>),
    /// Text as it is, without a template.
    Text(String),
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said. Control tokens written out in it are text, never control tokens.
    pub content: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sets the scene.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A prompt that fits the context of the model that encoded it, and only of that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPrompt {
    /// What was encoded.
    pub prompt: Prompt,
    /// Its tokens: at least one, fewer than the context holds.
    pub tokens: Vec<TokenId>,
}

/// One generation.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// What to continue, encoded by the same model.
    pub prompt: EncodedPrompt,
    /// How tokens are chosen. [`Sampling::check`] has passed.
    pub sampling: Sampling,
    /// Tokens to generate at most. The end of the context bounds it too.
    pub max_tokens: u32,
    /// Texts that end the answer; they are not part of it. None is empty.
    pub stop: Vec<String>,
}
