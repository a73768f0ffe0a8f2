//! Tools, whether they are called, and the calls of earlier answers.

use backend::{Tool, ToolCall, ToolChoice};
use serde_json::Value;

use super::BadRequest;
use crate::echo;
use crate::limits::{TOOL_NAME_MAX, TOOLS_MAX};
use crate::wire::tools::{CallEntry, ToolChoiceEntry, ToolEntry};

/// Reads the tools of a request.
pub(super) fn tools(entries: Option<Vec<ToolEntry>>) -> Result<Vec<Tool>, BadRequest> {
    list(entries, "function.", |path, tool| {
        if tool.kind.as_deref() != Some("function") {
            let path = format!("{path}.type");
            return Err(BadRequest::field(path.clone(), format!("{path} must be \"function\"")));
        }
        let function = tool.function.unwrap_or_default();
        let path = format!("{path}.function.");
        one(&path, "parameters", function.name, function.description, function.parameters)
    })
}

/// Reads a list of tools, which have their names at `prefix` within each.
pub(super) fn list<T>(
    entries: Option<Vec<T>>,
    prefix: &str,
    read: impl Fn(&str, T) -> Result<Tool, BadRequest>,
) -> Result<Vec<Tool>, BadRequest> {
    let entries = entries.unwrap_or_default();
    if entries.len() > TOOLS_MAX {
        let message = format!("tools has {} tools, and {TOOLS_MAX} are the most", entries.len());
        return Err(BadRequest::field("tools", message));
    }
    let tools: Vec<Tool> = entries
        .into_iter()
        .enumerate()
        .map(|(index, tool)| read(&format!("tools[{index}]"), tool))
        .collect::<Result<_, _>>()?;
    for (index, tool) in tools.iter().enumerate() {
        if tools[..index].iter().any(|other| other.name == tool.name) {
            let path = format!("tools[{index}].{prefix}name");
            let message = format!("{path} is \"{}\", which another tool is called", tool.name);
            return Err(BadRequest::field(path, message));
        }
    }
    Ok(tools)
}

/// Reads a tool whose fields have `path` before them, and whose schema is in the field `schema`.
pub(super) fn one(
    path: &str,
    schema: &str,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
) -> Result<Tool, BadRequest> {
    let name = name.filter(|name| is_name(name)).ok_or_else(|| {
        let path = format!("{path}name");
        let message = format!("{path} must be 1 to {TOOL_NAME_MAX} letters, digits, \"_\" and \"-\"");
        BadRequest::field(path, message)
    })?;
    let parameters = match parameters {
        None | Some(Value::Null) => None,
        Some(schema @ Value::Object(_)) => Some(schema.to_string()),
        Some(_) => {
            let path = format!("{path}{schema}");
            return Err(BadRequest::field(path.clone(), format!("{path} must be a JSON Schema, an object")));
        }
    };
    Ok(Tool { name, description, parameters })
}

fn is_name(name: &str) -> bool {
    (1..=TOOL_NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Reads whether tools are called. Without tools there is nothing to choose.
pub(super) fn choice(choice: Option<ToolChoiceEntry>, tools: &[Tool]) -> Result<ToolChoice, BadRequest> {
    let bad = |message: String| Err(BadRequest::field("tool_choice", message));
    let choice = match choice {
        None => return Ok(ToolChoice::Auto),
        Some(ToolChoiceEntry::Word(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return bad("tool_choice must be \"none\", \"auto\", \"required\" or name a function".to_owned()),
        },
        Some(ToolChoiceEntry::Tool(tool)) => match tool.function.and_then(|function| function.name) {
            Some(name) => ToolChoice::Named(name),
            None => {
                return bad("tool_choice must name a function: {\"type\": \"function\", \"function\": {\"name\": ..}}"
                    .to_owned());
            }
        },
    };
    fits(choice, tools)
}

/// The choice, if there is something to choose.
pub(super) fn fits(choice: ToolChoice, tools: &[Tool]) -> Result<ToolChoice, BadRequest> {
    let bad = |message: String| Err(BadRequest::field("tool_choice", message));
    match &choice {
        ToolChoice::Required if tools.is_empty() => bad("tool_choice wants a call, and there are no tools".to_owned()),
        ToolChoice::Named(name) if tools.iter().all(|tool| tool.name != *name) => {
            bad(format!("tool_choice names \"{}\", which is none of the tools", echo::value(name)))
        }
        _ => Ok(choice),
    }
}

/// Reads the calls of an earlier answer.
pub(super) fn calls(path: &str, calls: Option<Vec<CallEntry>>) -> Result<Vec<ToolCall>, BadRequest> {
    let read = |(index, call): (usize, CallEntry)| {
        let missing = |field: &str| {
            let path = format!("{path}[{index}].{field}");
            BadRequest::field(path.clone(), format!("{path} is missing"))
        };
        let function = call.function.unwrap_or_default();
        Ok(ToolCall {
            id: call.id.ok_or_else(|| missing("id"))?,
            name: function.name.ok_or_else(|| missing("function.name"))?,
            arguments: function.arguments.ok_or_else(|| missing("function.arguments"))?,
        })
    };
    calls.unwrap_or_default().into_iter().enumerate().map(read).collect()
}
