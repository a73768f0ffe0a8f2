//! The conversation: roles, and content that is text.

use backend::{ChatMessage, Image, Role};

use super::pictures::Pictures;
use super::said::Said;
use super::{BadRequest, tools};
use crate::echo;
use crate::wire::content::{Content, Part};
use crate::wire::request::Message;

pub(super) fn check(
    messages: Option<Vec<Message>>,
    messages_max: usize,
    pictures: &mut Pictures,
) -> Result<Vec<ChatMessage>, BadRequest> {
    let messages = messages.unwrap_or_default();
    if messages.is_empty() {
        return Err(BadRequest::field("messages", "messages must have at least one message"));
    }
    if messages.len() > messages_max {
        let message = format!("messages has {} messages, and {messages_max} are the most", messages.len());
        return Err(BadRequest::field("messages", message));
    }
    messages.into_iter().enumerate().map(|(index, message)| check_one(index, message, pictures)).collect()
}

fn check_one(index: usize, message: Message, pictures: &mut Pictures) -> Result<ChatMessage, BadRequest> {
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
    let said = match message.content {
        Some(Content::Text(content)) => ChatMessage::new(role, content),
        Some(Content::Parts(parts)) => read_parts(role, &path("content"), parts, pictures)?,
        // An answer that only calls says nothing.
        None if !tool_calls.is_empty() => ChatMessage::new(role, ""),
        None => return Err(BadRequest::field(path("content"), format!("{} is missing", path("content")))),
    };
    let reasoning = message.reasoning_content.filter(|_| role == Role::Assistant);
    Ok(ChatMessage { reasoning, tool_calls, tool_call_id: message.tool_call_id, ..said })
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

fn read_parts(role: Role, path: &str, parts: Vec<Part>, pictures: &mut Pictures) -> Result<ChatMessage, BadRequest> {
    if parts.is_empty() {
        return Err(BadRequest::field(path, format!("{path} must have at least one part")));
    }
    let mut said = Said::new(role);
    for (index, part) in parts.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        if part.kind.as_deref() == Some("image_url") && role == Role::User {
            said.picture(part_picture(&path, &part, pictures)?);
        } else {
            said.text(&text(&path, part)?);
        }
    }
    Ok(said.finish())
}

fn part_picture(path: &str, part: &Part, pictures: &mut Pictures) -> Result<Image, BadRequest> {
    let path = format!("{path}.image_url");
    let missing = || BadRequest::field(path.clone(), format!("{path} is missing"));
    let url = part.image_url.as_ref().ok_or_else(missing)?.url();
    pictures.at(url).map_err(|reason| BadRequest::about(&format!("{path}.url"), &reason))
}

fn text(path: &str, part: Part) -> Result<String, BadRequest> {
    match (part.kind.as_deref(), part.text) {
        (Some("text"), Some(text)) => Ok(text),
        (Some("image_url"), _) => {
            Err(BadRequest::field(format!("{path}.type"), format!("{path} is a picture, which only users may send")))
        }
        (Some("text"), None) => Err(BadRequest::field(format!("{path}.text"), format!("{path}.text is missing"))),
        (Some(kind), _) => {
            let kind = echo::value(kind);
            let message = format!(
                "{path} is of type \"{kind}\", and this server takes parts of type \"text\" and \"image_url\" only"
            );
            Err(BadRequest::field(format!("{path}.type"), message))
        }
        (None, _) => Err(BadRequest::field(format!("{path}.type"), format!("{path}.type is missing"))),
    }
}
