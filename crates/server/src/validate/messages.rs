//! The conversation: roles, and content that is text.

use backend::{ChatMessage, Role};

use super::{BadRequest, tools};
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
    if message.function_call.is_some() {
        let path = path("function_call");
        return Err(BadRequest::field(path.clone(), format!("{path} is an older form: give tool_calls")));
    }
    let role = role(message.role.as_deref()).ok_or_else(|| {
        BadRequest::field(path("role"), format!("{} must be system, developer, user, assistant or tool", path("role")))
    })?;
    let tool_calls = tools::calls(&path("tool_calls"), message.tool_calls)?;
    for (field, given, wants) in [
        ("tool_calls", !tool_calls.is_empty(), Role::Assistant),
        ("tool_call_id", message.tool_call_id.is_some(), Role::Tool),
    ] {
        if given && role != wants {
            let (path, wants) = (path(field), wants.as_str());
            return Err(BadRequest::field(path.clone(), format!("{path} belongs to messages of the {wants}")));
        }
    }
    if role == Role::Tool && message.tool_call_id.is_none() {
        let path = path("tool_call_id");
        return Err(BadRequest::field(path.clone(), format!("{path} is missing: which call is answered?")));
    }
    let content = match message.content {
        Some(Content::Text(content)) => content,
        Some(Content::Parts(parts)) => join(&path("content"), parts)?,
        // An answer that only calls says nothing.
        None if !tool_calls.is_empty() => String::new(),
        None => return Err(BadRequest::field(path("content"), format!("{} is missing", path("content")))),
    };
    let reasoning = message.reasoning_content.filter(|_| role == Role::Assistant);
    Ok(ChatMessage { reasoning, tool_calls, tool_call_id: message.tool_call_id, ..ChatMessage::new(role, content) })
}

fn role(name: Option<&str>) -> Option<Role> {
    match name? {
        // The newer name for the same thing.
        "system" | "developer" => Some(Role::System),
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        "tool" => Some(Role::Tool),
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
