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
    // A list of calls, or one call after the other.
    let start = match format {
        CallFormat::Tagged if single => "one".to_string(),
        CallFormat::Tagged => "one (\"\\n\" one)*".to_string(),
        CallFormat::MistralNamed if !single => "call+".to_string(),
        CallFormat::MistralNamed | CallFormat::Llama | CallFormat::Bare => "call".to_string(),
        CallFormat::Mistral | CallFormat::Listed | CallFormat::Action => {
            let more = if single { "" } else { "(\", \" call)*" };
            // Only one of them says where the list ends.
            let end = if format == CallFormat::Action { end.as_str() } else { "" };
            format!("{begin} \"[\" call {more} \"]\" {end}")
        }
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

#[cfg(test)]
mod tests {
    use backend::{CallPart, Tool};

    use super::{CallFormat, grammar};
    use crate::constraint::{Constraints, Form};
    use crate::output::{Family, Reader};
    use crate::testing;

    fn tool(name: &str, parameters: Option<&str>) -> Tool {
        Tool { name: name.into(), description: None, parameters: parameters.map(String::from) }
    }

    /// What a family's grammar forces is what its reader understands, and nothing else is allowed.
    /// Method: the answer that each family writes goes through the guard byte by byte, and then through the reader.
    #[tokio::test]
    async fn what_is_forced_is_understood() {
        let (loaded, _thread) = testing::load().await;
        let model = &loaded.encoder.vocabulary.model;
        let constraints = Constraints::new(model.clone());
        let schema = r#"{"properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}"#;
        let tools = [tool("put", None), tool("get \"x\"", Some(schema))];
        let tools: Vec<&Tool> = tools.iter().collect();
        let name = r#""get \"x\"""#;
        let cases = [
            (
                CallFormat::Tagged,
                format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {{\"n\":7}}}}\n</tool_call>"),
            ),
            (CallFormat::Llama, format!("{{\"name\": {name}, \"parameters\": {{\"n\":7}}}}")),
            (CallFormat::Bare, format!("{{\"name\": {name}, \"arguments\": {{\"n\":7}}}}")),
            (CallFormat::Mistral, format!("[TOOL_CALLS][{{\"name\": {name}, \"arguments\": {{\"n\":7}}}}]")),
            (CallFormat::MistralNamed, "[TOOL_CALLS]get \"x\"[ARGS]{\"n\":7}".to_string()),
            (CallFormat::Listed, format!("<|tool_call|>[{{\"name\": {name}, \"arguments\": {{\"n\":7}}}}]")),
            (
                CallFormat::Action,
                format!(
                    "<|START_ACTION|>[{{\"tool_call_id\": \"0\", \"tool_name\": {name}, \"parameters\": {{\"n\":7}}}}]\
                     <|END_ACTION|>"
                ),
            ),
        ];
        for (format, answer) in cases {
            let own = grammar(format, &tools, true, &|_| None).expect("the schemas are honoured");
            let mut guard = constraints.guard(&Form::Own(own.clone())).unwrap_or_else(|error| panic!("{error}: {own}"));
            let wrong = model.vocab().tokenize(b"Q", false, false)[0];
            for token in model.vocab().tokenize(answer.as_bytes(), false, false) {
                assert_eq!(guard.allows(wrong, false), Ok(false), "{answer}");
                assert_eq!(guard.allows(token, false), Ok(true), "{answer} with {own}");
                guard.accept(token).expect("it was allowed");
            }
            assert!(guard.is_complete(), "one call was asked for: {answer}");
            let family = Family { calls: Some(format), thoughts: None };
            let mut reader = Reader::new(family, tools.iter().map(|tool| tool.name.clone()).collect(), false);
            let mut calls = reader.push(&answer).calls;
            calls.extend(reader.finish().calls);
            let arguments: String = calls.iter().map(|part: &CallPart| part.arguments.as_str()).collect();
            assert_eq!((calls[0].name.as_deref(), arguments.as_str()), (Some("get \"x\""), "{\"n\":7}"), "{answer}");
            assert_eq!(reader.n_calls(), 1, "{answer}");
        }
    }
}
