//! Grammars of answers that are nothing but calls.

mod elements;

use std::fmt::Write;

use backend::{TokenId, Tool};
use serde_json::{Value, json};

use super::family::{CallFormat, Shape};
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
        None if text.is_empty() => String::new(),
        None => quoted(text),
    };
    let mut out = start(format, single, &mark);
    let calls: Vec<String> = (0..tools.len()).map(|n| format!("c{n}")).collect();
    let _ = writeln!(out, "call: {}", calls.join(" | "));
    for (n, tool) in tools.iter().enumerate() {
        let schema = arguments(tool)?;
        if let Shape::Elements(marks) = format.shape() {
            let all = elements::arguments(n, &schema, marks, &mark, &mut out);
            let (begin, end) = match format {
                CallFormat::Coder => (quoted(&format!("<function={}>\n", tool.name)), quoted("</function>")),
                _ => (quoted(&format!("{}\n", tool.name)), String::new()),
            };
            let _ = writeln!(out, "c{n}: {begin} {all} {end}");
            continue;
        }
        let (before, after) = around_arguments(format, &tool.name, &mark);
        let _ = writeln!(out, "c{n}: {before} a{n} {after}");
        let _ = writeln!(out, "a{n}: %json {}", with_options(schema));
    }
    Ok(out)
}

/// The rules of what stands around calls: a list of them, or one after the other.
fn start(format: CallFormat, single: bool, mark: &dyn Fn(&str) -> String) -> String {
    let marks = format.marks();
    let (begin, end) = (mark(marks.begin), mark(marks.end));
    let more = |between: &str| if single { String::new() } else { format!("({between} one)*") };
    let (start, one) = match format {
        CallFormat::Tagged | CallFormat::Coder => {
            (format!("one {}", more("\"\\n\"")), format!("{begin} \"\\n\" call \"\\n\" {end}"))
        }
        CallFormat::Glm => (format!("one {}", more("\"\\n\"")), format!("{begin} call {end}")),
        CallFormat::MistralNamed => (format!("one {}", more("")), "call".to_string()),
        // One call in place of an answer, or one message.
        CallFormat::Llama | CallFormat::Bare | CallFormat::Harmony => ("one".to_string(), "call".to_string()),
        CallFormat::Mistral | CallFormat::Listed | CallFormat::Action => {
            // Only one of them says where the list ends.
            let end = if format == CallFormat::Action { end.as_str() } else { "" };
            (format!("{begin} \"[\" one {} \"]\" {end}", more("\", \"")), "call".to_string())
        }
        CallFormat::DeepSeek | CallFormat::DeepSeekFenced => {
            let between = if format == CallFormat::DeepSeek { "" } else { "\"\\n\"" };
            let one = format!("{} call {}", mark(marks.item), mark("<｜tool▁call▁end｜>"));
            (format!("{begin} one {} {end}", more(between)), one)
        }
        CallFormat::Kimi => {
            let one = format!("{} call {}", mark(marks.item), mark("<|tool_call_end|>"));
            (format!("{begin} one {} {end}", more("")), one)
        }
    };
    format!("start: {start}\none: {one}\n")
}

/// What stands before and behind the object of the arguments.
fn around_arguments(format: CallFormat, name: &str, mark: &dyn Fn(&str) -> String) -> (String, String) {
    let json = quoted(name);
    let object = |head: String| (quoted(&head), quoted("}"));
    let named = |before: String| match format.shape() {
        Shape::Named(sep) => (format!("{before} {}", mark(sep)), String::new()),
        Shape::Object | Shape::Elements(_) => (before, String::new()),
    };
    match format {
        CallFormat::MistralNamed => named(format!("{} {}", mark(format.marks().begin), quoted(name))),
        CallFormat::DeepSeek => named(quoted(name)),
        CallFormat::DeepSeekFenced => {
            let (kind, _) = named(quoted("function"));
            (format!("{kind} {}", quoted(&format!("{name}\n```json\n"))), quoted("\n```"))
        }
        // Calls are numbered through the whole conversation there, which nobody who reads them relies on.
        CallFormat::Kimi => named(format!("{} /[0-9]/", quoted(&format!("functions.{name}:")))),
        CallFormat::Harmony => {
            let [channel, constrain, message] = ["<|channel|>", "<|constrain|>", "<|message|>"].map(mark);
            let to = quoted(&format!("commentary to=functions.{name} "));
            (format!("{channel} {to} {constrain} \"json\" {message}"), String::new())
        }
        CallFormat::Llama => object(format!("{{\"name\": {json}, \"parameters\": ")),
        CallFormat::Action => object(format!("{{\"tool_call_id\": \"0\", \"tool_name\": {json}, \"parameters\": ")),
        _ => object(format!("{{\"name\": {json}, \"arguments\": ")),
    }
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
    use llama_cpp_2::token::LlamaToken;
    use llama_cpp_2::token_type::LlamaTokenAttr;

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
        let (known, tools): (_, Vec<&Tool>) = (tools.to_vec(), tools.iter().collect());
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
            (
                CallFormat::DeepSeek,
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get \"x\"<｜tool▁sep｜>{\"n\":7}<｜tool▁call▁end｜>\
                 <｜tool▁calls▁end｜>"
                    .to_string(),
            ),
            (
                CallFormat::DeepSeekFenced,
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get \"x\"\n```json\n{\"n\":7}\n```\
                 <｜tool▁call▁end｜><｜tool▁calls▁end｜>"
                    .to_string(),
            ),
            (
                CallFormat::Kimi,
                "<|tool_calls_section_begin|><|tool_call_begin|>functions.get \"x\":0<|tool_call_argument_begin|>\
                 {\"n\":7}<|tool_call_end|><|tool_calls_section_end|>"
                    .to_string(),
            ),
            (
                CallFormat::Coder,
                "<tool_call>\n<function=get \"x\">\n<parameter=n>\n7\n</parameter>\n</function>\n</tool_call>"
                    .to_string(),
            ),
            (
                CallFormat::Glm,
                "<tool_call>get \"x\"\n<arg_key>n</arg_key>\n<arg_value>7</arg_value>\n</tool_call>".to_string(),
            ),
            (
                CallFormat::Harmony,
                "<|channel|>commentary to=functions.get \"x\" <|constrain|>json<|message|>{\"n\":7}".to_string(),
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
            let channels = format == CallFormat::Harmony;
            let family = Family { calls: Some(format), thoughts: None, channels };
            let mut reader = Reader::new(family, &known, false);
            let mut calls = reader.push(&answer).calls;
            calls.extend(reader.finish().calls);
            let arguments: String = calls.iter().map(|part: &CallPart| part.arguments.as_str()).collect();
            assert_eq!(calls[0].name.as_deref(), Some("get \"x\""), "{answer}");
            assert_eq!(arguments.replace(' ', ""), "{\"n\":7}", "{answer}");
            assert_eq!(reader.n_calls(), 1, "{answer}");
        }
    }

    /// Where more than one call is allowed, several are forced as they are read; and no second one where one is.
    #[tokio::test]
    async fn several_calls_are_understood_and_only_allowed_where_they_are_wanted() {
        let (loaded, _thread) = testing::load().await;
        let model = &loaded.encoder.vocabulary.model;
        let constraints = Constraints::new(model.clone());
        let tool = tool("put", None);
        let object = r#"{"name": "put", "arguments": {}}"#;
        let action = r#"{"tool_call_id": "0", "tool_name": "put", "parameters": {}}"#;
        let tagged = format!("<tool_call>\n{object}\n</tool_call>");
        let plain = "<｜tool▁call▁begin｜>put<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
        let fenced = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>put\n```json\n{}\n```<｜tool▁call▁end｜>";
        let kimi = "<|tool_call_begin|>functions.put:0<|tool_call_argument_begin|>{}<|tool_call_end|>";
        let coder = "<tool_call>\n<function=put>\n</function>\n</tool_call>";
        let glm = "<tool_call>put\n</tool_call>";
        let cases = [
            (CallFormat::Tagged, format!("{tagged}\n{tagged}")),
            (CallFormat::Mistral, format!("[TOOL_CALLS][{object}, {object}]")),
            (CallFormat::MistralNamed, "[TOOL_CALLS]put[ARGS]{}".repeat(2)),
            (CallFormat::Listed, format!("<|tool_call|>[{object}, {object}]")),
            (CallFormat::Action, format!("<|START_ACTION|>[{action}, {action}]<|END_ACTION|>")),
            (CallFormat::DeepSeek, format!("<｜tool▁calls▁begin｜>{plain}{plain}<｜tool▁calls▁end｜>")),
            (CallFormat::DeepSeekFenced, format!("<｜tool▁calls▁begin｜>{fenced}\n{fenced}<｜tool▁calls▁end｜>")),
            (CallFormat::Kimi, format!("<|tool_calls_section_begin|>{kimi}{kimi}<|tool_calls_section_end|>")),
            (CallFormat::Coder, format!("{coder}\n{coder}")),
            (CallFormat::Glm, format!("{glm}\n{glm}")),
        ];
        for (format, answer) in cases {
            let allowed = |single| {
                let own = grammar(format, &[&tool], single, &|_| None).expect("there is no schema");
                let mut guard = constraints.guard(&Form::Own(own)).expect("a grammar");
                let mut tokens = model.vocab().tokenize(answer.as_bytes(), false, false).into_iter();
                tokens.all(|token| guard.allows(token, false) == Ok(true) && guard.accept(token).is_ok())
                    && guard.allows(model.vocab().eos(), true) == Ok(true)
            };
            assert_eq!([allowed(false), allowed(true)], [true, false], "{answer}");
            let family = Family { calls: Some(format), ..Family::default() };
            let mut reader = Reader::new(family, std::slice::from_ref(&tool), false);
            reader.push(&answer);
            reader.finish();
            assert_eq!(reader.n_calls(), 2, "{answer}");
        }
    }

    /// A text may be any, or one of a few; what is not required may be left out; everything comes in the order of the schema.
    #[tokio::test]
    async fn elements_are_forced_to_be_what_the_schema_says() {
        let (loaded, _thread) = testing::load().await;
        let model = &loaded.encoder.vocabulary.model;
        let constraints = Constraints::new(model.clone());
        let schema = r##"{"properties": {"text": {"type": "string"}, "unit": {"enum": ["C", "F"]},
            "at": {"$ref": "#/$defs/place"}}, "required": ["text"], "$defs": {"place": {"type": "array", "items": {"type": "integer"}}}}"##;
        let tool = tool("get", Some(schema));
        let coder = |inner: &str| format!("<tool_call>\n<function=get>\n{inner}</function>\n</tool_call>");
        let glm = |inner: &str| format!("<tool_call>get\n{inner}</tool_call>");
        let key = |key: &str, value: &str| format!("<parameter={key}>\n{value}\n</parameter>\n");
        let arg = |key: &str, value: &str| format!("<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n");
        for (format, frame) in [(CallFormat::Coder, coder("@")), (CallFormat::Glm, glm("@"))] {
            let write: &dyn Fn(&str, &str) -> String = if format == CallFormat::Coder { &key } else { &arg };
            let own = grammar(format, &[&tool], true, &|_| None).expect("the schema is honoured");
            let allowed = |inner: String| {
                let mut guard =
                    constraints.guard(&Form::Own(own.clone())).unwrap_or_else(|error| panic!("{error}: {own}"));
                let answer = frame.replace('@', &inner);
                let mut tokens = model.vocab().tokenize(answer.as_bytes(), false, false).into_iter();
                tokens.all(|token| guard.allows(token, false) == Ok(true) && guard.accept(token).is_ok())
                    && guard.is_complete()
            };
            let text = write("text", "1 < 2\n</p> \"é\"");
            assert!(allowed(text.clone()), "{format:?}");
            assert!(allowed(write("text", "")), "{format:?}: an empty one");
            assert!(allowed(format!("{text}{}{}", write("unit", "F"), write("at", "[1,2]"))), "{format:?}");
            assert!(!allowed(String::new()), "{format:?}: required, and left out");
            assert!(!allowed(format!("{text}{}", write("unit", "K"))), "{format:?}: not among the texts");
            assert!(!allowed(format!("{text}{}", write("at", "[true]"))), "{format:?}: not of the schema referred to");
            assert!(!allowed(format!("{}{text}", write("unit", "C"))), "{format:?}: out of order");
        }
    }

    /// A text ends before a control token, which is none.
    #[tokio::test]
    async fn a_text_may_end_with_a_control_token() {
        let (loaded, _thread) = testing::load().await;
        let model = &loaded.encoder.vocabulary.model;
        let vocab = model.vocab();
        let is_control =
            |&token: &LlamaToken| vocab.attr(token).contains(LlamaTokenAttr::Control) && !vocab.is_eog(token);
        let control = vocab.tokens().find(is_control).expect("the model has control tokens");
        let tool = tool("get", Some(r#"{"properties": {"text": {"type": "string"}}}"#));
        let id = |text: &str| (text == "</arg_value>").then_some(control.0.cast_unsigned());
        let own = grammar(CallFormat::Glm, &[&tool], true, &id).expect("the schema is honoured");
        let constraints = Constraints::new(model.clone());
        for text in ["Rome </arg", ""] {
            let mut guard = constraints.guard(&Form::Own(own.clone())).unwrap_or_else(|error| panic!("{error}: {own}"));
            let before = format!("<tool_call>get\n<arg_key>text</arg_key>\n<arg_value>{text}");
            let [before, after] = [&before, "\n</tool_call>"].map(|part| vocab.tokenize(part.as_bytes(), false, false));
            for token in before.into_iter().chain([control]).chain(after) {
                assert_eq!(guard.allows(token, false), Ok(true), "{text:?} with {own}");
                guard.accept(token).expect("it was allowed");
            }
            assert!(guard.is_complete());
        }
    }
}
