//! The conversation: roles, and content that is text.

use backend::{ChatMessage, Role};
use serde_json::Value;

use super::BadRequest;
use crate::echo;
use crate::wire::content::{Content, Part};
use crate::wire::request::Message;

pub(super) fn check(messages: Option<Vec<Message>>, messages_max: usize) -> Result<Vec<ChatMessage>, BadRequest> {
    let messages = messages.unwrap_or_default();
    if messages.is_empty() {
        return Err(BadRequest::field("messages", "messages must have at least one message"));
    }
    if messages.len() > messages_max {
        let message = format!("messages has {} messages, and {messages_max} are the most", messages.len());
        return Err(BadRequest::field("messages", message));
    }
    messages.into_iter().enumerate().map(|(index, message)| check_one(index, message)).collect()
}

fn check_one(index: usize, message: Message) -> Result<ChatMessage, BadRequest> {
    let path = |field: &str| format!("messages[{index}].{field}");
    for (field, calls) in [("tool_calls", &message.tool_calls), ("function_call", &message.function_call)] {
        if calls.as_ref().is_some_and(|calls| !is_empty_array(calls)) {
            return Err(BadRequest::field(
                path(field),
                format!("{} is not supported: this server runs no tools", path(field)),
            ));
        }
    }
    let role = role(message.role.as_deref()).ok_or_else(|| {
        BadRequest::field(path("role"), format!("{} must be system, developer, user or assistant", path("role")))
    })?;
    match message.content {
        Some(Content::Text(content)) => Ok(ChatMessage::new(role, content)),
        Some(Content::Parts(parts)) => Ok(ChatMessage::new(role, join(&path("content"), parts)?)),
        None => Err(BadRequest::field(path("content"), format!("{} is missing", path("content")))),
    }
}

fn is_empty_array(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn role(name: Option<&str>) -> Option<Role> {
    match name? {
        // The newer name for the same thing.
        "system" | "developer" => Some(Role::System),
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        _ => None,
    }
}

/// Joins text parts by line breaks, as other servers do.
fn join(path: &str, parts: Vec<Part>) -> Result<String, BadRequest> {
    let texts: Result<Vec<String>, _> =
        parts.into_iter().enumerate().map(|(index, part)| text(&format!("{path}[{index}]"), part)).collect();
    match texts? {
        texts if texts.is_empty() => Err(BadRequest::field(path, format!("{path} must have at least one part"))),
        texts => Ok(texts.join("\n")),
    }
}

fn text(path: &str, part: Part) -> Result<String, BadRequest> {
    match (part.kind.as_deref(), part.text) {
        (Some("text"), Some(text)) => Ok(text),
        (Some("text"), None) => Err(BadRequest::field(format!("{path}.text"), format!("{path}.text is missing"))),
        (Some(kind), _) => {
            let kind = echo::value(kind);
            let message = format!("{path} is of type \"{kind}\", and this server takes parts of type \"text\" only");
            Err(BadRequest::field(format!("{path}.type"), message))
        }
        (None, _) => Err(BadRequest::field(format!("{path}.type"), format!("{path}.type is missing"))),
    }
}
