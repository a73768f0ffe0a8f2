//! Answers of each family, cut in every way.

use backend::CallPart;

use super::family::{CallFormat, Family, Thoughts};
use super::{Meaning, Reader};

const THINK: Thoughts = Thoughts { begin: "<think>", end: "</think>", header: "", says: "" };

/// What an answer means in the end.
#[derive(Debug, PartialEq)]
struct Whole {
    text: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    n_whole: u32,
}

fn said(text: &str) -> Whole {
    whole(text, "", &[])
}

fn whole(text: &str, reasoning: &str, calls: &[(&str, &str)]) -> Whole {
    let n_whole = u32::try_from(calls.len()).unwrap();
    let calls = calls.iter().map(|(name, arguments)| (name.to_string(), arguments.to_string())).collect();
    Whole { text: text.into(), reasoning: reasoning.into(), calls, n_whole }
}

/// Reads an answer in pieces of `n` characters.
fn read(mut reader: Reader, answer: &str, n: usize) -> Whole {
    let mut whole = said("");
    let chars: Vec<char> = answer.chars().collect();
    let mut add = |meaning: Meaning| {
        whole.text += &meaning.text;
        whole.reasoning += &meaning.reasoning;
        for CallPart { index, id, name, arguments } in meaning.calls {
            assert_eq!(id, None, "ids are given later");
            match name {
                Some(name) => {
                    assert_eq!(index as usize, whole.calls.len(), "a call begins out of turn");
                    whole.calls.push((name, arguments));
                }
                None => {
                    assert_eq!(index as usize + 1, whole.calls.len(), "more of a call that is over");
                    whole.calls.last_mut().unwrap().1 += &arguments;
                }
            }
        }
    };
    for piece in chars.chunks(n) {
        add(reader.push(&piece.iter().collect::<String>()));
    }
    add(reader.finish());
    whole.n_whole = reader.n_calls();
    whole
}

/// However an answer is cut, it means the same.
fn check(calls: Option<CallFormat>, thinks: bool, inside: bool, answer: &str, expected: &Whole) {
    for n in [1, 2, 3, 5, 7, 11, 1000] {
        let family = Family { calls, thoughts: thinks.then_some(THINK) };
        let reader = Reader::new(family, vec!["get".into(), "put".into()], inside);
        assert_eq!(read(reader, answer, n), *expected, "{answer:?} in pieces of {n}");
    }
}

#[test]
fn calls_of_each_family_are_found() {
    let a = r#"{"city": "Rome", "n": [1, {"x": "}"}]}"#;
    let arguments = format!(r#"{{"name": "get", "arguments": {a}}}"#);
    let parameters = format!(r#"{{"name": "get", "parameters": {a}}}"#);
    let action = format!(r#"{{"tool_call_id": "0", "tool_name": "get", "parameters": {a}}}"#);
    let put = r#"{"name": "put", "arguments": {}}"#;
    let (one, two) = (whole("", "", &[("get", a)]), whole("", "", &[("get", a), ("put", "{}")]));
    let cases = [
        (CallFormat::Tagged, format!("<tool_call>\n{arguments}\n</tool_call>"), &one),
        (CallFormat::Tagged, format!("<tool_call>{arguments}</tool_call>\n<tool_call>\n{put}\n</tool_call>"), &two),
        (CallFormat::Tagged, format!("\n<tool_call>\n{arguments}"), &one),
        (CallFormat::Llama, parameters.clone(), &one),
        (CallFormat::Llama, format!("\n<|python_tag|>{parameters}; {put}"), &two),
        (CallFormat::Llama, format!("{parameters}\n{put}"), &two),
        (CallFormat::Mistral, format!("[TOOL_CALLS][{arguments}]"), &one),
        (CallFormat::Mistral, format!("[TOOL_CALLS] [{arguments}, {put}]"), &two),
        (CallFormat::MistralNamed, format!("[TOOL_CALLS]get[ARGS]{a}"), &one),
        (CallFormat::MistralNamed, format!("[TOOL_CALLS]get{a}[TOOL_CALLS]put[ARGS]{{}}"), &two),
        (CallFormat::MistralNamed, format!("[TOOL_CALLS]get[CALL_ID]abc[ARGS]{a}"), &one),
        (CallFormat::Listed, format!("<|tool_call|>[{arguments}, {put}]<|/tool_call|>"), &two),
        (CallFormat::Listed, format!("<|tool_call|>[{arguments}]"), &one),
        (CallFormat::Action, format!("<|START_ACTION|>[\n    {action}\n]<|END_ACTION|>"), &one),
        (CallFormat::Bare, arguments.clone(), &one),
    ];
    for (format, answer, expected) in cases {
        check(Some(format), false, false, &answer, expected);
    }
}

#[test]
fn text_before_a_call_is_said() {
    let answer = "I look.\n\n<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>\n";
    check(Some(CallFormat::Tagged), false, false, answer, &whole("I look.", "", &[("get", "{}")]));
}

/// What only looks like a call is said, to the letter.
#[test]
fn text_that_is_no_call_is_said() {
    let cases = [
        (CallFormat::Tagged, "Use <tool_ca or <tool> or {\"name\": 1}."),
        (CallFormat::Llama, "{\"answer\": 42}"),
        (CallFormat::Llama, "{\"name\": \"Alice\", \"parameters\": {\"age\": 3}} is she."),
        (CallFormat::Llama, "{not json"),
        (CallFormat::Llama, "So: {\"name\": \"get\", \"parameters\": {}}"),
        (CallFormat::Bare, "{\"name\": \"get\", \"arg"),
        (CallFormat::Mistral, "[TOOL_CALL] [1, 2]"),
        (CallFormat::Listed, "a < b and b <| c"),
    ];
    for (format, answer) in cases {
        check(Some(format), false, false, answer, &said(answer));
    }
}

/// A call that the bound on tokens cut has a beginning, and does not count as one that is to be answered.
#[test]
fn a_call_that_is_cut_is_not_whole() {
    let answer = "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"Ro";
    let expected = Whole { n_whole: 0, ..whole("", "", &[("get", "{\"city\": \"Ro")]) };
    check(Some(CallFormat::Tagged), false, false, answer, &expected);
}

/// Arguments leave while they are written, not when they are whole.
#[test]
fn arguments_are_told_as_they_come() {
    let family = Family { calls: Some(CallFormat::Tagged), thoughts: None };
    let mut reader = Reader::new(family, vec!["get".into()], false);
    let meaning = reader.push("<tool_call>\n{\"name\": \"get\", \"arguments\": {\"text\": \"once upon");
    assert_eq!(meaning.calls[0].name.as_deref(), Some("get"));
    assert_eq!(meaning.calls[0].arguments, "{\"text\": \"once upon");
    assert_eq!(reader.push(" a time").calls[0].arguments, " a time");
}

#[test]
fn thoughts_are_kept_apart() {
    let cases = [
        (false, "<think>\nHm. 1 < 2\n</think>\n\nYes.", whole("Yes.", "Hm. 1 < 2", &[])),
        (false, "\n<think>a</think>b</think>", whole("b</think>", "a", &[])),
        (false, "<think>\n\n</think>\n\nYes.", said("Yes.")),
        (false, "Yes. <think>no</think>", said("Yes. <think>no</think>")),
        (false, " <thin ice", said(" <thin ice")),
        (false, "<think>only that \n", whole("", "only that", &[])),
        (true, "Hm.\n\n So </thin \n</think>\n\nYes.\n", whole("Yes.\n", "Hm.\n\n So </thin", &[])),
        (true, "", said("")),
    ];
    for (inside, answer, expected) in cases {
        check(None, true, inside, answer, &expected);
    }
}

/// Harmony: messages in channels, each with a header but the first.
#[test]
fn channels_are_told_apart() {
    let analysis = "<|channel|>analysis<|message|>";
    let last = "<|channel|>final<|message|>";
    let cases = [
        (format!("{analysis}Hm.<|end|><|start|>assistant{last}Yes. <b>"), whole("Yes. <b>", "Hm.", &[])),
        (format!("{last}Yes."), said("Yes.")),
        (
            format!("{analysis}a <|end|><|start|>assistant{analysis} b<|end|><|start|>assistant{last}c"),
            whole("c", "a b", &[]),
        ),
        (format!("{analysis}only that"), whole("", "only that", &[])),
        (format!("{analysis}that<|end|><|start|>assistant<|chan"), whole("", "that", &[])),
        ("Plain.".to_string(), said("Plain.")),
    ];
    let family = Family { calls: None, thoughts: Thoughts::of("<|channel|>analysis") };
    for (answer, expected) in cases {
        for n in [1, 2, 3, 7, 1000] {
            assert_eq!(read(Reader::new(family, Vec::new(), false), &answer, n), expected, "{answer} in pieces of {n}");
        }
    }
}

#[test]
fn a_call_may_follow_a_thought() {
    let answer = "<think>I could use <tool_call>.</think>\n<tool_call>\n{\"name\": \"put\"}\n</tool_call>";
    let expected = whole("", "I could use <tool_call>.", &[("put", "{}")]);
    check(Some(CallFormat::Tagged), true, false, answer, &expected);
}

/// Without tools that may be called, and without a conversation, nothing means anything.
#[test]
fn where_nothing_may_be_called_everything_is_said() {
    let answer = "<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>";
    let family = Family { calls: Some(CallFormat::Tagged), thoughts: Some(THINK) };
    assert_eq!(read(Reader::new(family, Vec::new(), false), answer, 3), said(answer));
    assert_eq!(read(Reader::plain(), "<think>a</think>", 3), said("<think>a</think>"));
}
