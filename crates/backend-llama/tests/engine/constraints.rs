//! Answers that must look like something.
//!
//! The demo model has one token per byte and was never taught JSON, so what it writes inside the bounds is noise: a good
//! test of the bounds.

mod schemas;

use backend::conformance::kit;
use backend::{
    Constraint, Event, FinishReason, GenerateError, GenerateOptions, GenerateRequest, Lane, LoadedModel, PromptError,
    Sampling,
};
use serde_json::Value;

use crate::support;

async fn load() -> (LoadedModel, Box<dyn Lane>) {
    let mut model = support::load(support::spec(support::fast())).await;
    let lane = kit::only_lane(&mut model);
    (model, lane)
}

async fn request(model: &LoadedModel, question: &str, constraint: Constraint) -> GenerateRequest {
    let mut request = kit::request(model, kit::chat(question)).await;
    request.options.constraint = Some(constraint);
    request.max_tokens = 900;
    request
}

fn grammar(text: &str) -> Constraint {
    Constraint::Grammar(text.to_string())
}

/// Why a constraint is refused before its request waits.
async fn refusal(model: &LoadedModel, constraint: Constraint) -> String {
    let prompt = kit::encode(model, kit::chat("Hi")).await;
    let options = GenerateOptions { constraint: Some(constraint), ..GenerateOptions::default() };
    match model.encoder.check(&prompt, &options).await {
        Err(PromptError::Options { reason }) => reason,
        other => panic!("{other:?} for {:?}", options.constraint),
    }
}

#[tokio::test]
async fn an_answer_is_one_of_those_that_a_grammar_has() {
    let (model, mut lane) = load().await;
    for (text, allowed) in [
        ("root ::= \"yes\" | \"no\"", &["yes", "no"][..]),
        ("root ::= color # one of them\ncolor ::= (\"red\" |\n \"gr\\u00fcn\") \"!\"{2}", &["red!!", "grün!!"]),
        // What is first taken for "ab" must be read again as "a" and "bc".
        (
            "root ::= \"a\" \"bc\" | \"ab\" \"d\" | x\nx ::= \"(\" x \")\" | \"[]\"",
            &["abc", "abd", "[]", "([])", "(([]))"],
        ),
        ("root ::= [^\\x00-\\xff\\u0100-\\U0010ffff] | \"\\t\\\"\\\\\"", &["\t\"\\"]),
    ] {
        let mut request = request(&model, "Say yes.", grammar(text)).await;
        for temperature in [0.0, 1.0, 2.0] {
            request.options.sampling = Sampling { temperature, ..Sampling::default() };
            let answer = kit::run(lane.as_mut(), request.clone()).await;
            assert!(allowed.contains(&answer.text().as_str()), "{:?} for {text}", answer.text());
            assert_eq!(answer.reason(), FinishReason::Stop);
        }
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A constraint that the model follows anyway changes nothing.
#[tokio::test]
async fn a_constraint_that_holds_anyway_changes_nothing() {
    let (model, mut lane) = load().await;
    let mut constrained = request(&model, "Repeat after me: otter 3", grammar("root ::= [a-z]+ \" \" [0-9]+")).await;
    assert_eq!(kit::text_of(lane.as_mut(), constrained.clone()).await, "otter 3");
    let open = "Tell me something about the sea.";
    for (seed, text) in [(1, "root ::= .*"), (2, "root ::= x\nx ::= . x | \"\"")] {
        constrained = request(&model, open, grammar(text)).await;
        constrained.max_tokens = 60;
        constrained.options.sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let mut free = constrained.clone();
        free.options.constraint = None;
        assert_eq!(kit::text_of(lane.as_mut(), constrained).await, kit::text_of(lane.as_mut(), free).await, "{text}");
    }
}

#[tokio::test]
async fn a_recursive_grammar_is_followed() {
    let (model, mut lane) = load().await;
    let balanced = "root ::= pair{3}\npair ::= \"<\" pair? \">\" | \"(\" pair* \")\"";
    for seed in 0..10 {
        let mut request = request(&model, "Count from 1 to 60", grammar(balanced)).await;
        request.options.sampling = Sampling { temperature: 2.0, seed, top_k: 0, ..Sampling::default() };
        let answer = kit::run(lane.as_mut(), request).await;
        if answer.reason() == FinishReason::Stop {
            let mut open = Vec::new();
            for c in answer.text().chars() {
                match c {
                    '<' => open.push('>'),
                    '(' => open.push(')'),
                    closing => assert_eq!(open.pop(), Some(closing), "{}", answer.text()),
                }
            }
            assert!(open.is_empty(), "{}", answer.text());
        }
    }
}

/// Stacks of ways to read the text would double with each letter.
#[tokio::test]
async fn an_ambiguous_grammar_takes_no_longer_than_another() {
    let (model, mut lane) = load().await;
    let ambiguous = "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\"";
    let mut request = request(&model, "Say a.", grammar(ambiguous)).await;
    request.options.sampling.logit_bias = vec![(kit_token(&model, "a").await, 100.0)];
    request.max_tokens = 200;
    assert_eq!(kit::text_of(lane.as_mut(), request).await, "a".repeat(200));
}

async fn kit_token(model: &LoadedModel, byte: &str) -> u32 {
    model.encoder.tokenize(byte.to_string(), false, false).await.expect("it is a text")[0]
}

#[tokio::test]
async fn json_is_an_object_and_nothing_else() {
    let (model, mut lane) = load().await;
    let mut n_complete = 0;
    for seed in 0..10 {
        let mut request = request(&model, "Give me JSON.", Constraint::JsonObject).await;
        request.options.sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        request.max_tokens = 300;
        let answer = kit::run(lane.as_mut(), request).await;
        assert!(answer.text().starts_with('{'), "{}", answer.text());
        if answer.reason() == FinishReason::Stop {
            n_complete += 1;
            let value: Value = serde_json::from_str(&answer.text()).expect("it is JSON");
            assert!(value.is_object());
        }
    }
    assert!(n_complete > 0, "no answer was complete");
}

/// The end of the constraint is the end of the answer, though the model would go on and was told not to end.
#[tokio::test]
async fn a_constraint_ends_the_answer_that_ignores_its_end() {
    let (model, mut lane) = load().await;
    for text in ["root ::= \"yes\"", "root ::= \"y\" x\nx ::= \"es\" | \"(\" x \")\""] {
        let mut request = request(&model, "Count from 1 to 60", grammar(text)).await;
        request.options.ignore_end = true;
        request.options.sampling.logit_bias = vec![(kit_token(&model, "(").await, f32::NEG_INFINITY)];
        let answer = kit::run(lane.as_mut(), request).await;
        assert_eq!((answer.text().as_str(), answer.reason()), ("yes", FinishReason::Stop));
    }
}

/// A grammar that no token can go on with is an error, and the lane is as good as before. llama.cpp ends the process.
#[tokio::test]
async fn a_dead_end_is_an_error_and_nothing_worse() {
    let (model, mut lane) = load().await;
    let k = kit_token(&model, "k").await;
    let mut request = request(&model, "Hi", grammar("root ::= \"o\" \"k\" | \"kk\"")).await;
    request.options.sampling.logit_bias = vec![(k, f32::NEG_INFINITY)];
    let answer = kit::collect(lane.generate(request)).await;
    let Some(GenerateError::Failed { reason }) = answer.error else { panic!("{answer:?}") };
    assert!(reason.contains("can follow"), "{reason}");
    assert_eq!(answer.events.iter().filter(|event| matches!(event, Event::Token(_))).count(), 1);
    lane.quiesce().await;
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// Each of these ended the process, or filled its memory, in llama.cpp's own grammars and schemas.
#[tokio::test]
async fn grammars_that_nothing_survives_are_refused_before_they_wait() {
    let (model, mut lane) = load().await;
    let cases = [
        (String::new(), "no rule root"),
        ("rooot ::= \"a\"".into(), "no rule root"),
        ("root ::= item".into(), "no rule item"),
        ("root ::= \"a".into(), "line 1"),
        ("root ::= \"a\"\nb ::= [z-a]".into(), "goes backwards"),
        ("root ::= []".into(), "without characters"),
        ("root ::= *".into(), "nothing to repeat"),
        ("root ::= \"a\"{1,1000000}".into(), "number up to 2000"),
        ("root ::= \"\\q\"".into(), "unknown escape"),
        ("root ::= \"\\ud800\"".into(), "no character"),
        ("root ::= <nothing>".into(), "no token"),
        ("root ::= <[99999999]>".into(), ""),
        ("root ::= \"a\" )".into(), "end of the line"),
        (format!("root ::= {}\"a\"{}", "(".repeat(5000), ")".repeat(5000)), "more than 64 deep"),
        (format!("root ::= \"{}\"", "a".repeat(70_000)), "70011 bytes"),
    ];
    for (text, part) in cases {
        let reason = refusal(&model, grammar(&text)).await;
        assert!(reason.contains(part), "{reason} for {text:.60}");
        // Who comes past the check fails on the lane, which is as good as before.
        let request = request(&model, "Hi", grammar(&text)).await;
        assert!(matches!(kit::collect(lane.generate(request)).await.error, Some(GenerateError::Failed { .. })));
        lane.quiesce().await;
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// Rules that refer to rules that refer to rules, as many as there is room for, and repetitions of repetitions.
#[tokio::test]
async fn grammars_made_to_exhaust_are_run_or_refused() {
    let (model, mut lane) = load().await;
    let chain: String = (0..6000).map(|n| format!("a{n}::=a{}\n", n + 1)).collect();
    let doubling: String = (0..40).map(|n| format!("a{n}::=a{} a{}\n", n + 1, n + 1)).collect();
    let cases = [
        format!("root::=a0\n{chain}a6000::=\"x\""),
        format!("root::=a0\n{doubling}a40::=\"x\""),
        "root ::= (((((\"x\"?){1,60}){1,60}){1,60}){1,60}){1,60}".to_string(),
        "root ::= root root | \"x\" | \"\"".to_string(),
        "root ::= a\na ::= b\nb ::= a | \"x\"".to_string(),
        "root ::= \"\\x00\"".to_string(),
        "root ::= \"\\U0010ffff\"+".to_string(),
    ];
    for text in cases {
        let mut request = request(&model, "Hi", grammar(&text)).await;
        request.max_tokens = 8;
        let answer = kit::collect(lane.generate(request)).await;
        assert!(!matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{:?} for {text:.60}", answer.error);
        lane.quiesce().await;
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

#[tokio::test]
async fn schemas_that_are_not_honoured_in_full_are_refused_by_the_keyword() {
    let (model, _lane) = load().await;
    let deep = |n: usize| format!("{}true{}", "{\"items\":".repeat(n), "}".repeat(n));
    let cases = [
        ("{".to_string(), "not JSON"),
        ("[]".into(), "must be a JSON object"),
        ("false".into(), "no answer can follow"),
        (r#"{"not": {"type": "string"}}"#.into(), "\"not\""),
        (r#"{"type": "array", "uniqueItems": true}"#.into(), "\"uniqueItems\""),
        (r#"{"properties": {"a": {"type": "array", "contains": {"const": 1}}}}"#.into(), "\"contains\""),
        (r#"{"if": {"type": "string"}, "then": {"minLength": 3}}"#.into(), "\"if\""),
        (r#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#.into(), "oneOf"),
        (r#"{"type": "string", "format": "nonsense"}"#.into(), "nonsense"),
        (r#"{"type": "strin"}"#.into(), "strin"),
        (r#"{"type": "string", "pattern": "("}"#.into(), ""),
        (r##"{"$ref": "#/$defs/none"}"##.into(), "none"),
        (r#"{"$ref": "https://example.org/schema"}"#.into(), "example.org"),
        (r#"{"type": "object", "x-guidance": {"lenient": true}, "not": {}}"#.into(), "x-guidance"),
        (r#"{"type": "integer", "minimum": 3, "maximum": 2}"#.into(), "nsatisfiable"),
        (deep(65), "more than 64 deep"),
        (deep(3000), "JSON"),
        (format!("{{\"title\": \"{}\"}}", "a".repeat(70_000)), "bytes"),
    ];
    for (schema, part) in cases {
        let reason = refusal(&model, Constraint::JsonSchema(schema.clone())).await;
        assert!(reason.contains(part), "{reason} for {schema:.80}");
        assert!(!reason.contains('\n') && reason.len() < 400, "{reason}");
    }
}

/// References to themselves, and chains of them as long as there is room for.
#[tokio::test]
async fn schemas_made_to_exhaust_are_run_or_refused() {
    let (model, mut lane) = load().await;
    let chain: String = (0..1500).map(|n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}},"##, n + 1)).collect();
    let cases = [
        r##"{"$ref": "#"}"##.to_string(),
        r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##.into(),
        r##"{"type": "array", "items": {"$ref": "#"}}"##.into(),
        format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain}"d1500":{{"type":"null"}}}}}}"##),
        r#"{"type": "string", "pattern": "^((((a{1,100}){1,100}){1,100}){1,100})$"}"#.into(),
        r#"{"type": "array", "minItems": 1000000000, "items": {"type": "null"}}"#.into(),
        r#"{"type": "string", "minLength": 4000000000}"#.into(),
        r#"{"type": "number", "multipleOf": 0.0000000001, "minimum": 1e308}"#.into(),
    ];
    for schema in cases {
        let mut request = request(&model, "Hi", Constraint::JsonSchema(schema.clone())).await;
        request.max_tokens = 8;
        let answer = kit::collect(lane.generate(request)).await;
        assert!(!matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{:?} for {schema:.60}", answer.error);
        lane.quiesce().await;
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}
