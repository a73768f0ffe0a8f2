//! Which body is refused, and by which field.

use backend::{
    ChatMessage, Constraint, Dry, GenerateOptions, Mirostat, MirostatVersion, Role, Sampling, Tool, ToolCall,
    ToolChoice, Xtc,
};
use serde_json::{Value, json};

use super::{BadRequest, Chat, Pictures, Streaming, fold_seed};

const MESSAGES_MAX: usize = 3;

fn chat(body: &[u8], messages_max: usize) -> Result<Chat, BadRequest> {
    super::chat(body, messages_max, &mut Pictures::default())
}

/// A good request with `changes` on top.
fn body(changes: &Value) -> Vec<u8> {
    let mut body = json!({"model": "fast", "messages": [{"role": "user", "content": "hi"}]});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    serde_json::to_vec(&body).expect("JSON")
}

fn refused(body: &[u8]) -> BadRequest {
    match chat(body, MESSAGES_MAX) {
        Err(error) => error,
        Ok(taken) => panic!("taken: {taken:?}"),
    }
}

/// Every row: what is wrong, the field that is named, and a part of the message.
#[test]
fn a_bad_field_is_refused_by_name() {
    let message = |message: Value| json!({ "messages": [message] });
    let said = |content| json!({"role": "user", "content": content});
    let image = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let tools = |tool: Value| json!({ "tools": [tool] });
    let function = |function: Value| json!({ "tools": [{"type": "function", "function": function}] });
    let f = json!({"type": "function", "function": {"name": "f"}});
    let schema = |schema: Value| json!({"response_format": {"type": "json_schema", "json_schema": schema}});
    let rows = [
        (tools(json!({"type": "retrieval"})), "tools[0].type", "\"function\""),
        (function(json!({})), "tools[0].function.name", "1 to 64"),
        (function(json!({"name": "a b"})), "tools[0].function.name", "letters"),
        (function(json!({"name": "f", "parameters": [1]})), "tools[0].function.parameters", "an object"),
        (json!({"tools": [f, f]}), "tools[1].function.name", "another tool"),
        (json!({"tools": vec![&f; 129]}), "tools", "128 are the most"),
        (json!({"tool_choice": "required"}), "tool_choice", "no tools"),
        (json!({"tool_choice": "maybe"}), "tool_choice", "\"none\""),
        (json!({"tools": [f], "tool_choice": {"function": {"name": "g"}}}), "tool_choice", "none of the tools"),
        (json!({"tools": [f], "response_format": {"type": "json_object"}}), "response_format", "without tools"),
        (json!({"functions": [{"name": "f"}]}), "functions", "give tools"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type", "json_schema"),
        (json!({"response_format": {"json_schema": {}}}), "response_format.type", "json_schema"),
        (schema(json!({"name": "x"})), "response_format.json_schema.schema", "an object"),
        (json!({"response_format": {"type": "json_object"}, "grammar": "root ::= \"a\""}), "grammar", "exclude"),
        (json!({"top_logprobs": 2}), "top_logprobs", "needs logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs", "from 0 to 20"),
        (json!({"n_probs": -1}), "n_probs", "from 0 to 20"),
        (json!({"logit_bias": {"a": 1}}), "logit_bias", "numbers of tokens"),
        (json!({"logit_bias": {"1": 101}}), "logit_bias", "-100 to 100"),
        (json!({"typical_p": 0}), "typical_p", "above 0"),
        (json!({"xtc_threshold": 2}), "xtc_threshold", "from 0 to 1"),
        (json!({"dry_base": 0.5}), "dry_base", "from 1 to 10"),
        (json!({"dry_penalty_last_n": -2}), "dry_penalty_last_n", "an integer from 0"),
        (json!({"dry_sequence_breakers": [""]}), "dry_sequence_breakers", "none empty"),
        (json!({"mirostat": 3}), "mirostat", "0, 1 or 2"),
        (json!({"mirostat": 2, "mirostat_eta": 2}), "mirostat_eta", "from 0 to 1"),
        (json!({"model": null}), "model", "GET /v1/models"),
        (json!({"model": ""}), "model", "missing"),
        (json!({"model": 7}), "model", "expected a string"),
        (json!({"messages": null}), "messages", "at least one"),
        (json!({"messages": []}), "messages", "at least one"),
        (json!({"messages": "hi"}), "messages", "expected a sequence"),
        (message(json!("hi")), "messages[0]", "invalid type"),
        (message(json!({"content": "hi"})), "messages[0].role", "must be system"),
        (message(json!({"role": "robot", "content": "hi"})), "messages[0].role", "must be system"),
        (message(json!({"role": "tool", "content": "hi"})), "messages[0].tool_call_id", "missing"),
        (message(json!({"role": "user", "content": "hi", "tool_call_id": "a"})), "messages[0].tool_call_id", "tool"),
        (
            message(json!({"role": "user", "content": "hi", "tool_calls": [call]})),
            "messages[0].tool_calls",
            "assistant",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [{"id": "a"}]})),
            "messages[0].tool_calls[0].function.name",
            "missing",
        ),
        (message(json!({"role": "assistant", "function_call": {"name": "f"}})), "messages[0].function_call", "older"),
        (message(json!({"role": "user"})), "messages[0].content", "missing"),
        (message(json!({"role": "user", "content": 7})), "messages[0].content", "a string or an array"),
        (message(json!({"role": "user", "content": []})), "messages[0].content", "at least one"),
        (
            message(json!({"role": "user", "content": image})),
            "messages[0].content[1].image_url.url",
            "must be a data URL",
        ),
        (message(json!({"role": "system", "content": image})), "messages[0].content[1].type", "only users may send"),
        (message(json!({"role": "user", "content": [{"text": "a"}]})), "messages[0].content[0].type", "missing"),
        (message(json!({"role": "user", "content": [{"type": "text"}]})), "messages[0].content[0].text", "missing"),
        (
            message(json!({"role": "user", "content": [{"type": "text", "text": 7}]})),
            "messages[0].content[0].text",
            "string",
        ),
        (message(json!({"role": "assistant", "tool_calls": [1]})), "messages[0].tool_calls[0]", "invalid type"),
        (json!({"temperature": -0.1}), "temperature", "from 0 to 2"),
        (json!({"temperature": 1e300}), "temperature", "from 0 to 2"),
        (json!({"temperature": "hot"}), "temperature", "expected f64"),
        (json!({"temperature": "NaN"}), "temperature", "invalid type"),
        (json!({"top_p": 0}), "top_p", "above 0"),
        (json!({"top_p": 1.5}), "top_p", "at most 1"),
        (json!({"min_p": -1}), "min_p", "from 0 to 1"),
        (json!({"top_k": -1}), "top_k", "an integer from 0"),
        (json!({"top_k": 1i64 << 40}), "top_k", "an integer from 0"),
        (json!({"top_k": 1.5}), "top_k", "floating point"),
        (json!({"presence_penalty": 3}), "presence_penalty", "from -2 to 2"),
        (json!({"frequency_penalty": -3}), "frequency_penalty", "from -2 to 2"),
        (json!({"repeat_penalty": 0}), "repeat_penalty", "must be a number"),
        (json!({"repeat_last_n": -1}), "repeat_last_n", "an integer from 0"),
        (json!({"seed": 1.5}), "seed", "floating point"),
        (json!({"max_tokens": 0}), "max_tokens", "from 1"),
        (json!({"max_tokens": -5}), "max_tokens", "from 1"),
        (json!({"max_completion_tokens": 1i64 << 33}), "max_completion_tokens", "from 1"),
        (json!({"max_tokens": 5, "max_completion_tokens": 6}), "max_tokens", "give one"),
        (json!({"n_predict": 5, "max_completion_tokens": 6}), "n_predict", "give one"),
        (json!({"stop": ""}), "stop", "empty"),
        (json!({"stop": ["a", ""]}), "stop", "empty"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop", "4 are the most"),
        (json!({"stop": ["a", "x".repeat(257)]}), "stop", "more than 256 bytes"),
        (json!({"model": "x".repeat(257)}), "model", "more than 256 bytes"),
        (json!({"messages": (["a", "b", "c", "d"].map(said))}), "messages", "has 4 messages, and 3 are the most"),
        (json!({"stop": 7}), "stop", "a string or an array"),
        (json!({"n": 9}), "n", "from 1 to 8"),
        (json!({"n": 0}), "n", "from 1 to 8"),
        (json!({"stream": "yes"}), "stream", "expected a boolean"),
        (json!({"stream_options": {"include_usage": true}}), "stream_options", "stream"),
        (json!({"stream": true, "stream_options": {"include_usage": 1}}), "stream_options.include_usage", "boolean"),
    ];
    for (changes, param, part) in rows {
        let error = refused(&body(&changes));
        assert_eq!(error.param.as_deref(), Some(param), "{changes}: {}", error.message);
        assert!(error.message.contains(part), "{changes}: {:?} has no {part:?}", error.message);
    }
}

#[test]
fn bad_json_is_refused_with_line_and_column() {
    let rows: [(&[u8], Option<&str>, &str); 7] = [
        (b"", None, "line 1 column 0"),
        (b"{\n  \"model\" \"fast\"\n}", None, "line 2 column"),
        (b"{\"temperature\": 1e999}", Some("temperature"), "number out of range at line 1"),
        (b"{\"temperature\": NaN}", Some("temperature"), "line 1 column"),
        (b"{\"\": NaN}", None, "line 1 column"),
        (b"{} {}", None, "trailing characters at line 1 column 4"),
        (b"[]", None, "must be a JSON object"),
    ];
    for (body, param, part) in rows {
        let error = refused(body);
        assert_eq!(error.param.as_deref(), param, "{}", error.message);
        assert!(error.message.contains(part), "{:?} has no {part:?}", error.message);
    }
}

/// What a client wrote comes back in messages, params and log lines: never more than a few lines of it.
#[test]
fn what_is_said_back_is_short() {
    let long = "ä".repeat(300_000);
    let part = json!([{"type": long, "text": "a"}]);
    let typed = [
        json!({"model": long}),
        json!({"temperature": long}),
        json!({"messages": long}),
        json!({"stop": [long]}),
        json!({"messages": [{"role": long, "content": "hi"}]}),
        json!({"messages": [{"role": "user", "content": part}]}),
        json!({"stream_options": {"include_usage": long}}),
    ];
    let bodies = typed.iter().map(body).chain([format!("{{\"{long}\": NaN}}").into_bytes()]);
    for body in bodies {
        let error = refused(&body);
        let (message, param) = (error.message.chars().count(), error.param.map_or(0, |param| param.chars().count()));
        assert!(message <= 400 && param <= 65, "{message} and {param} characters");
    }
}

#[test]
fn bounds_include_their_limits() {
    let said = |content| json!({"role": "user", "content": content});
    let most = json!({
        "model": "x".repeat(256),
        "messages": (["a", "b", "c"].map(said)),
        "stop": (["a", "b", "c"].map(|text| text.repeat(256))),
    });
    assert!(chat(&body(&most), MESSAGES_MAX).is_ok());
}

#[test]
fn absent_and_null_fields_take_the_defaults() {
    let nulls =
        json!({"temperature": null, "stop": null, "stream": null, "n": null, "stream_options": null, "seed": null});
    for changes in [json!({}), nulls] {
        let taken = chat(&body(&changes), MESSAGES_MAX).expect("a good request");
        assert_eq!(taken.asked.options.sampling, Sampling::default());
        assert_eq!((taken.asked.seed, taken.asked.max_tokens, taken.stream), (None, None, None));
        assert!(taken.asked.options.stop.is_empty());
    }
}

/// `x or default` in the servers that this one is compared with turns 0 into the default.
#[test]
fn an_explicit_zero_is_zero() {
    let zeros = json!({"temperature": 0, "top_k": 0, "min_p": 0, "repeat_last_n": 0, "seed": 0});
    let taken = chat(&body(&zeros), MESSAGES_MAX).expect("a good request");
    assert!(taken.asked.options.sampling.is_greedy());
    assert_eq!(
        (
            taken.asked.options.sampling.top_k,
            taken.asked.options.sampling.min_p,
            taken.asked.options.sampling.repeat_last_n
        ),
        (0, 0.0, 0)
    );
    assert_eq!(taken.asked.seed, Some(0));
}

#[test]
fn every_field_arrives() {
    let taken = chat(
        &body(&json!({
            "messages": [
                {"role": "developer", "content": "be brief", "name": "x"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": "c", "tool_calls": [], "refusal": null},
            ],
            "temperature": 0.5, "top_p": 0.5, "top_k": 5, "min_p": 0.25, "repeat_penalty": 1.5, "repeat_last_n": 6,
            "presence_penalty": -1, "frequency_penalty": 1, "seed": 7, "max_tokens": 8, "max_completion_tokens": 8,
            "stop": "END", "n": 8, "user": "me", "stream": true, "stream_options": {"include_usage": true},
            "nobody_knows_this": {"x": 1},
        })),
        MESSAGES_MAX,
    )
    .expect("a good request");
    let said = |role, content: &str| ChatMessage::new(role, content);
    let messages = [said(Role::System, "be brief"), said(Role::User, "a\nb"), said(Role::Assistant, "c")];
    assert_eq!(taken.conversation.messages, messages);
    let sampling = Sampling {
        temperature: 0.5,
        top_p: 0.5,
        top_k: 5,
        min_p: 0.25,
        repeat_penalty: 1.5,
        repeat_last_n: 6,
        presence_penalty: -1.0,
        frequency_penalty: 1.0,
        ..Sampling::default()
    };
    assert_eq!(taken.asked.options.sampling, sampling);
    assert_eq!((taken.asked.model.as_str(), taken.asked.seed, taken.asked.max_tokens), ("fast", Some(7), Some(8)));
    assert_eq!(taken.asked.options.stop, ["END"]);
    assert_eq!(taken.stream, Some(Streaming { include_usage: true }));
}

#[test]
fn every_integer_is_a_seed() {
    assert_eq!(fold_seed(42), 42);
    assert_eq!(fold_seed(i64::from(u32::MAX)), u32::MAX);
    assert_ne!(fold_seed(1 << 40), fold_seed(1 << 41));
    for seed in [i64::MIN, -1, i64::MAX] {
        assert_eq!(
            chat(&body(&json!({ "seed": seed })), MESSAGES_MAX).expect("a good request").asked.seed,
            Some(fold_seed(seed))
        );
    }
}

fn options(changes: &Value) -> GenerateOptions {
    chat(&body(changes), MESSAGES_MAX).expect("a good request").asked.options
}

/// What llama.cpp's clients write reaches the engine under its own name.
#[test]
fn further_sampling_is_read() {
    let sampling = options(&json!({
        "typical_p": 0.5, "xtc_probability": 0.25, "dry_multiplier": 0.75, "dry_penalty_last_n": -1,
        "mirostat": 2, "mirostat_tau": 3, "logit_bias": {"7": -100, "8": 1.5},
    }))
    .sampling;
    let expected = Sampling {
        typical_p: 0.5,
        xtc: Some(Xtc { probability: 0.25, threshold: 0.1 }),
        dry: Some(Dry { multiplier: 0.75, ..Dry::default() }),
        mirostat: Some(Mirostat { version: MirostatVersion::V2, tau: 3.0, eta: 0.1 }),
        logit_bias: vec![(7, -100.0), (8, 1.5)],
        ..Sampling::default()
    };
    assert_eq!(sampling, expected);
    assert_eq!(options(&json!({"mirostat": 0, "mirostat_tau": 3})).sampling, Sampling::default());
}

#[test]
fn the_form_of_an_answer_is_read() {
    let form = |changes: Value| options(&changes).constraint;
    assert_eq!(form(json!({"response_format": {"type": "text"}})), None);
    assert_eq!(form(json!({"response_format": {"type": "json_object"}})), Some(Constraint::JsonObject));
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object"}}});
    let expected = Constraint::JsonSchema("{\"type\":\"object\"}".into());
    assert_eq!(form(json!({ "response_format": schema })), Some(expected));
    assert_eq!(form(json!({"grammar": "root ::= [a]"})), Some(Constraint::Grammar("root ::= [a]".into())));
}

#[test]
fn log_probabilities_are_told_when_asked_for() {
    let told = |changes: Value| options(&changes).logprobs;
    assert_eq!(told(json!({"logprobs": false, "top_logprobs": 0})), None);
    assert_eq!(told(json!({"logprobs": true})), Some(0));
    assert_eq!(told(json!({"logprobs": true, "top_logprobs": 5})), Some(5));
    assert_eq!(told(json!({"n_probs": 3})), Some(3));
    let other = options(&json!({"ignore_eos": true, "cache_prompt": false}));
    assert!(other.ignore_end && !other.cache_prompt);
}

#[test]
fn tools_and_what_became_of_them_are_read() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let taken = chat(
        &body(&json!({
            "messages": [
                {"role": "user", "content": "look"},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "a", "content": "nothing"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "parallel_tool_calls": false,
        })),
        MESSAGES_MAX,
    );
    let conversation = taken.expect("a good request").conversation;
    let parameters = Some("{\"type\":\"object\"}".into());
    assert_eq!(conversation.tools, [Tool { name: "look".into(), description: Some("looks".into()), parameters }]);
    assert_eq!((conversation.tool_choice, conversation.single_call), (ToolChoice::Named("look".into()), true));
    let call = ToolCall { id: "a".into(), name: "look".into(), arguments: "{}".into() };
    let answer = &conversation.messages[1];
    assert_eq!(
        (&answer.content, &answer.reasoning, &answer.tool_calls),
        (&String::new(), &Some("hm".into()), &vec![call])
    );
    assert_eq!(conversation.messages[2].tool_call_id.as_deref(), Some("a"));
}

/// Values that clients send by habit ask for nothing.
#[test]
fn neutral_values_change_nothing() {
    let habits = json!({
        "tools": [], "tool_choice": "auto", "parallel_tool_calls": true, "response_format": {"type": "text"},
        "logprobs": false, "logit_bias": {}, "n_probs": 0,
    });
    let taken = chat(&body(&habits), MESSAGES_MAX).expect("a good request");
    assert_eq!(taken.asked.options, GenerateOptions::default());
    assert!(!taken.conversation.may_call());
}

/// The smallest PNG there is: one pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn pictures_stand_among_the_words() {
    let picture = json!({"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}});
    let bare = json!({"type": "image_url", "image_url": PIXEL});
    let said = |parts: &[&Value]| json!({"messages": [{"role": "user", "content": parts}]});
    let text = json!({"type": "text", "text": "what is it?"});
    let read = |parts: &[&Value]| {
        let taken = chat(&body(&said(parts)), MESSAGES_MAX).expect("a good request");
        let message = taken.conversation.messages[0].clone();
        (message.content, message.images.iter().map(|placed| placed.at).collect::<Vec<_>>())
    };
    assert_eq!(read(&[&picture, &text]), ("\nwhat is it?".to_owned(), vec![0]));
    assert_eq!(read(&[&text, &bare]), ("what is it?\n".to_owned(), vec![12]));
    assert_eq!(read(&[&picture, &bare]), ("\n".to_owned(), vec![0, 1]));
    let many = vec![&picture; 17];
    assert_eq!(refused(&body(&said(&many))).param.as_deref(), Some("messages[0].content[16].image_url.url"));
}

#[test]
fn a_picture_of_anybody_but_the_user_is_refused() {
    let picture = json!([{"type": "image_url", "image_url": {"url": PIXEL}}]);
    for role in ["system", "assistant"] {
        let error = refused(&body(&json!({"messages": [{"role": role, "content": picture}]})));
        assert_eq!(error.param.as_deref(), Some("messages[0].content[0].type"), "{}", error.message);
    }
    let missing = json!([{"type": "image_url"}]);
    let error = refused(&body(&json!({"messages": [{"role": "user", "content": missing}]})));
    assert_eq!(error.param.as_deref(), Some("messages[0].content[0].image_url"));
}
