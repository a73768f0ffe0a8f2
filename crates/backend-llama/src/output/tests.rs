//! Answers of each family, cut in every way.

use backend::{CallPart, Tool};

use super::family::{CallFormat, Family, Thoughts};
use super::{Meaning, Reader};

const THINK: Thoughts = Thoughts { begin: "<think>", end: "</think>" };

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

fn tool(name: &str) -> Tool {
    let parameters = r#"{"properties": {"city": {"type": "string"}, "n": {"type": "integer"}}}"#;
    Tool { name: name.into(), description: None, parameters: Some(parameters.into()) }
}

/// However an answer is cut, it means the same.
fn check(calls: Option<CallFormat>, thinks: bool, inside: bool, answer: &str, expected: &Whole) {
    for n in [1, 2, 3, 5, 7, 11, 1000] {
        let family = Family { calls, thoughts: thinks.then_some(THINK), channels: false };
        let reader = Reader::new(family, &["get", "put"].map(tool), inside);
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

/// Sections of calls whose names stand before their arguments.
#[test]
fn calls_of_sections_are_found() {
    let a = r#"{"city": "Rome", "n": [1, {"x": "}"}]}"#;
    let (one, two) = (whole("", "", &[("get", a)]), whole("", "", &[("get", a), ("put", "{}")]));
    let (begin, end) = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>");
    let plain = |name, a| format!("<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{a}<｜tool▁call▁end｜>");
    let fenced = |name, a| plain("function", format!("{name}\n```json\n{a}\n```"));
    let kimi =
        |name, n, a| format!("<|tool_call_begin|>functions.{name}:{n}<|tool_call_argument_begin|>{a}<|tool_call_end|>");
    let (get, put) = (plain("get", a.to_string()), plain("put", "{}".to_string()));
    let section = |calls: &str| format!("<|tool_calls_section_begin|>{calls}<|tool_calls_section_end|>");
    let cases = [
        (CallFormat::DeepSeek, format!("{begin}{get}{end}"), &one),
        (CallFormat::DeepSeek, format!("{begin}{get}{put}{end}"), &two),
        (CallFormat::DeepSeek, format!("{get}\n{put}"), &two),
        (CallFormat::DeepSeekFenced, format!("{begin}{}{end}", fenced("get", a)), &one),
        (CallFormat::DeepSeekFenced, format!("{begin}{}\n{}{end}\n", fenced("get", a), fenced("put", "{}")), &two),
        (CallFormat::Kimi, section(&kimi("get", 0, a)), &one),
        (CallFormat::Kimi, section(&format!("{}{}", kimi("get", 3, a), kimi("put", 4, "{}"))), &two),
    ];
    for (format, answer, expected) in cases {
        check(Some(format), false, false, &answer, expected);
    }
}

/// Calls whose arguments are elements: what they are is in the schema of the tool.
#[test]
fn calls_in_elements_are_found() {
    let (one, none) =
        (whole("", "", &[("get", r#"{"city": "7 < 8\nRome", "n": 7}"#)]), whole("", "", &[("put", "{}")]));
    let two = whole("", "", &[("get", r#"{"n": 7}"#), ("put", "{}")]);
    let lines = whole("", "", &[("get", r#"{"city": "\nRome\n"}"#)]);
    let coder = |name: &str, inner: &str| format!("<tool_call>\n<function={name}>\n{inner}</function>\n</tool_call>");
    let city = "<parameter=city>\n7 < 8\nRome\n</parameter>\n";
    let number = "<parameter=n>\n7\n</parameter>\n";
    let glm = |name: &str, inner: &str| format!("<tool_call>{name}\n{inner}</tool_call>");
    let glm_city = "<arg_key>city</arg_key>\n<arg_value>7 < 8\nRome</arg_value>\n";
    let glm_number = "<arg_key>n</arg_key>\n<arg_value>7</arg_value>\n";
    let cases = [
        (CallFormat::Coder, coder("get", &format!("{city}{number}")), &one),
        (CallFormat::Coder, coder("put", ""), &none),
        (CallFormat::Coder, format!("{}\n{}", coder("get", number), coder("put", "")), &two),
        (
            CallFormat::Coder,
            "<function=get><parameter=n>7</parameter></function>\n<function=put></function>".into(),
            &two,
        ),
        // The value's own line ends are part of it.
        (CallFormat::Coder, coder("get", "<parameter=city>\n\nRome\n\n</parameter>\n"), &lines),
        (CallFormat::Glm, glm("get", &format!("{glm_city}{glm_number}")), &one),
        (CallFormat::Glm, glm("put", ""), &none),
        (CallFormat::Glm, "<tool_call>put</tool_call>".into(), &none),
        (CallFormat::Glm, format!("{}\n{}", glm("get", glm_number), glm("put", "")), &two),
    ];
    for (format, answer, expected) in cases {
        check(Some(format), false, false, &answer, expected);
    }
    let cut = Whole { n_whole: 0, ..whole("", "", &[("get", r#"{"n": 7"#)]) };
    check(Some(CallFormat::Coder), false, false, &format!("<tool_call>\n<function=get>\n{number}<parameter=ci"), &cut);
    let said_before = whole("I look.", "", &[("put", "{}")]);
    check(Some(CallFormat::Glm), false, false, &format!("I look.\n{}", glm("put", "")), &said_before);
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
    let family = Family { calls: Some(CallFormat::Tagged), ..Family::default() };
    let mut reader = Reader::new(family, &[tool("get")], false);
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
    check_channels(None, &cases);
}

fn check_channels(calls: Option<CallFormat>, cases: &[(String, Whole)]) {
    let family = Family { calls, thoughts: None, channels: true };
    for (answer, expected) in cases {
        for n in [1, 2, 3, 7, 1000] {
            let reader = Reader::new(family, &["get it", "get", "put"].map(tool), false);
            assert_eq!(read(reader, answer, n), *expected, "{answer} in pieces of {n}");
        }
    }
}

/// Calls are messages to a tool, wherever the header names it.
#[test]
fn calls_in_channels_are_found() {
    let analysis = "<|channel|>analysis<|message|>";
    let next = "<|start|>assistant";
    let a = r#"{"city": "Rome <|x"}"#;
    let call = format!("<|channel|>commentary to=functions.get <|constrain|>json<|message|>{a}");
    let cut = Whole { n_whole: 0, ..whole("", "", &[("get", r#"{"city": "Ro"#)]) };
    let cases = [
        (call.clone(), whole("", "", &[("get", a)])),
        (format!("{analysis}Hm.<|end|>{next}{call}<|call|>"), whole("", "Hm.", &[("get", a)])),
        (
            format!(" to=functions.put<|channel|>commentary json<|message|>{{}}<|call|>{next}{call}"),
            whole("", "", &[("put", "{}"), ("get", a)]),
        ),
        (format!("<|channel|>commentary<|message|>I look.<|end|>{next}{call}"), whole("I look.", "", &[("get", a)])),
        (
            format!("<|channel|>commentary<|message|>First.<|end|>{next}<|channel|>final<|message|>Last."),
            said("First.\n\nLast."),
        ),
        ("<|channel|>commentary to=functions.get <|constrain|>json<|message|>{\"city\": \"Ro".to_string(), cut),
        (format!("{analysis}to=functions.get{call}"), whole("", "to=functions.get", &[("get", a)])),
    ];
    check_channels(Some(CallFormat::Harmony), &cases);
    // Neither a tool with a longer name nor one that was not offered is the one whose name it begins with.
    for other in ["get it", "get_all"] {
        let call = format!("<|channel|>commentary to=functions.{other} <|constrain|>json<|message|>{a}");
        check_channels(Some(CallFormat::Harmony), &[(call, whole("", "", &[(other, a)]))]);
    }
    let unasked = [(call, said(a))];
    check_channels(None, &unasked);
}

/// What must look like something begins behind the header of what is said, and not before it.
#[test]
fn the_way_from_a_thought_to_what_is_said_is_part_of_the_thought() {
    let mut reader = Reader::new(Family { channels: true, ..Family::default() }, &[], false);
    assert!(!reader.is_thinking(), "an answer may be without channels");
    for (text, thinks) in [
        ("<|channel|>analysis<|message|>Hm", true),
        ("<|end|>", true),
        ("<|start|>assistant<|channel|>final", true),
        ("<|message|>", false),
        ("{", false),
    ] {
        reader.push(text);
        assert_eq!(reader.is_thinking(), thinks, "{text}");
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
    let family = Family { calls: Some(CallFormat::Tagged), thoughts: Some(THINK), channels: false };
    assert_eq!(read(Reader::new(family, &[], false), answer, 3), said(answer));
    assert_eq!(read(Reader::plain(), "<think>a</think>", 3), said("<think>a</think>"));
}

/// Answers put together from the marks of a family, in any order, mean the same however they are cut.
#[test]
fn any_answer_means_the_same_however_it_is_cut() {
    let formats = [
        CallFormat::Tagged,
        CallFormat::Llama,
        CallFormat::Mistral,
        CallFormat::MistralNamed,
        CallFormat::Listed,
        CallFormat::Action,
        CallFormat::Bare,
        CallFormat::DeepSeek,
        CallFormat::DeepSeekFenced,
        CallFormat::Kimi,
        CallFormat::Coder,
        CallFormat::Glm,
        CallFormat::Harmony,
    ];
    let texts = [
        "get",
        "put",
        "{}",
        "{\"name\": \"get\", \"arguments\": {\"n\": 1}}",
        "{\"n\": 7}",
        " ",
        "\n",
        "<",
        "{",
        "[",
        "é>",
    ];
    let mut dice = 1_u64;
    let mut below = |n: usize| {
        // Knuth's generator of 64 bits; the high ones are good.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % n
    };
    for format in formats {
        let channels = format == CallFormat::Harmony;
        let family = Family { calls: Some(format), thoughts: (!channels).then_some(THINK), channels };
        let pieces: Vec<&str> = family.marks().chain(texts).collect();
        for _ in 0..400 {
            let answer: String = (0..1 + below(9)).map(|_| pieces[below(pieces.len())]).collect();
            let reader = || Reader::new(family, &["get", "put"].map(tool), false);
            let whole = read(reader(), &answer, 1000);
            for n in [1, 2, 5] {
                assert_eq!(read(reader(), &answer, n), whole, "{format:?}: {answer:?} in pieces of {n}");
            }
        }
    }
}
