//! A conversation, as chat templates know it.

use crate::{Image, PlacedImage};

/// A conversation, and the tools that the model may call in its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat {
    /// What was said so far, oldest first.
    pub messages: Vec<ChatMessage>,
    /// The tools that the model is told of; none by default.
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not call one.
    pub tool_choice: ToolChoice,
    /// Whether an answer may hold one call at most; `false` by default, as in the protocols.
    pub single_call: bool,
}

impl Chat {
    /// A conversation without tools.
    pub fn new(messages: Vec<ChatMessage>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// Every picture, in the order of the messages and of the places in them.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.messages.iter().flat_map(|message| &message.images).map(|placed| &placed.image)
    }

    /// Whether the answer may hold calls: there are tools, and they may be used.
    pub fn may_call(&self) -> bool {
        !self.tools.is_empty() && self.tool_choice != ToolChoice::None
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said. Control tokens written out in it are text, never control tokens.
    pub content: String,
    /// Pictures in it, in the order of their places; for the user only.
    pub images: Vec<PlacedImage>,
    /// What the model thought before it said that, where the client sent it back; for the assistant only.
    pub reasoning: Option<String>,
    /// The calls of this message; for the assistant only.
    pub tool_calls: Vec<ToolCall>,
    /// The call that this message answers; for a tool only.
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// A message of text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            images: Vec::new(),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
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
    /// A tool, answering a call.
    Tool,
}

impl Role {
    /// The name that chat templates know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A function that the model may ask to be called. Nobody here calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`, 1 to 64 of them.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema of its arguments, an object, as JSON text; `None` where it takes none.
    pub parameters: Option<String>,
}

/// A call that the model made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call in the message that answers it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as JSON text. From a model, so it may be anything.
    pub arguments: String,
}

/// Whether the model calls a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// It decides.
    #[default]
    Auto,
    /// It does not, and is told of no tool.
    None,
    /// It calls one or more.
    Required,
    /// It calls this one.
    Named(String),
}
