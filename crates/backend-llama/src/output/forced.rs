//! Grammars of answers that are nothing but calls.

use std::fmt::Write;

use backend::{TokenId, Tool};
use serde_json::{Value, json};

use super::family::CallFormat;
use crate::constraint::{quoted, read_schema, with_options};

/// Writes the grammar of calls of these tools, of one call where `single` says so.
///
/// `control` finds the control token of a mark, where it is one: a grammar tells it from its text.
///
/// # Errors
/// What is wrong with a tool's schema.
pub(crate) fn grammar(
    format: CallFormat,
    tools: &[&Tool],
    single: bool,
    control: &dyn Fn(&str) -> Option<TokenId>,
) -> Result<String, String> {
    let mark = |text: &str| match control(text) {
        Some(token) => format!("<[{token}]>"),
        None => quoted(text),
    };
    let marks = format.marks();
    let (begin, end) = (mark(marks.begin), mark(marks.end));
    // A list of calls, or one call after the other; and how either begins and ends.
    let start = match (format, single) {
        (CallFormat::Tagged, true) => "one".to_string(),
        (CallFormat::Tagged, false) => "one (\"\\n\" one)*".to_string(),
        (CallFormat::MistralNamed, true) => "call".to_string(),
        (CallFormat::MistralNamed, false) => "call+".to_string(),
        (CallFormat::Llama | CallFormat::Bare, _) => "call".to_string(),
        (CallFormat::Mistral, true) => format!("{begin} \"[\" call \"]\""),
        (CallFormat::Mistral, false) => format!("{begin} \"[\" call (\", \" call)* \"]\""),
        (CallFormat::Listed, true) => format!("{begin} \"[\" call \"]\""),
        (CallFormat::Listed, false) => format!("{begin} \"[\" call (\", \" call)* \"]\""),
        (CallFormat::Action, true) => format!("{begin} \"[\" call \"]\" {end}"),
        (CallFormat::Action, false) => format!("{begin} \"[\" call (\", \" call)* \"]\" {end}"),
    };
    let mut out = format!("start: {start}\n");
    if format == CallFormat::Tagged {
        let _ = writeln!(out, "one: {begin} \"\\n\" call \"\\n\" {end}");
    }
    let calls: Vec<String> = (0..tools.len()).map(|n| format!("c{n}")).collect();
    let _ = writeln!(out, "call: {}", calls.join(" | "));
    for (n, tool) in tools.iter().enumerate() {
        let name = quoted(&tool.name);
        let (before, after) = match format {
            CallFormat::MistralNamed => (format!("{begin} {} {}", quoted(&tool.name), mark("[ARGS]")), String::new()),
            CallFormat::Llama => (quoted(&format!("{{\"name\": {name}, \"parameters\": ")), quoted("}")),
            CallFormat::Action => {
                let head = format!("{{\"tool_call_id\": \"0\", \"tool_name\": {name}, \"parameters\": ");
                (quoted(&head), quoted("}"))
            }
            _ => (quoted(&format!("{{\"name\": {name}, \"arguments\": ")), quoted("}")),
        };
        let _ = writeln!(out, "c{n}: {before} a{n} {after}");
        let _ = writeln!(out, "a{n}: %json {}", with_options(arguments(tool)?));
    }
    Ok(out)
}

/// The schema of a tool's arguments, which are an object in any case.
fn arguments(tool: &Tool) -> Result<Value, String> {
    let Some(text) = &tool.parameters else {
        return Ok(json!({ "type": "object", "properties": {}, "additionalProperties": false }));
    };
    let mut schema = read_schema(text).map_err(|error| format!("the parameters of the tool {}: {error}", tool.name))?;
    if schema.get("type").is_none() {
        schema["type"] = json!("object");
    }
    Ok(schema)
}
