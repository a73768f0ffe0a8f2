//! The description is true: what really comes back is of the status, the media type and the form that it tells, and has
//! nothing in it that it does not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backend::{AdapterSpec, CallPart, ModelSource, ModelSpec, Scale, Token};
use backend_mock::{Fault, ModelScript, Reply};
use jsonschema::Validator;
use serde_json::{Value, json};
use server::{AppOptions, HttpLimits};
use serving::{ModelConfig, Service, ServiceConfig};
use tokio::time::sleep;

use super::fake::{Fake, likely};
use super::support::{Answer, Server};

/// The description, which of its answers were seen, and what was not as it says.
struct Description {
    whole: Value,
    seen: BTreeSet<String>,
    objections: Vec<String>,
    /// By their schemas: making one takes longer than all that it judges.
    validators: BTreeMap<String, Validator>,
}

impl Description {
    async fn of(server: &Server) -> Self {
        let answer = server.connect().ask("GET", "/openapi.json").await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        let mut whole = serde_json::from_str(body).expect("JSON");
        close(&mut whole);
        Self { whole, seen: BTreeSet::new(), objections: Vec::new(), validators: BTreeMap::new() }
    }

    /// Compares an answer.
    fn hold(&mut self, method: &str, path: &str, answer: &Answer) {
        let media = answer.head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        let media = media.split(';').next().expect("a media type");
        let response = &self.whole["paths"][path][method]["responses"][answer.status.to_string()];
        let content = &response["content"][media];
        if !content.is_object() {
            let objection = format!("{method} {path}: {} with {media} is not described: {answer:?}", answer.status);
            return self.objections.push(objection);
        }
        let (schema, values) = match media {
            "text/event-stream" => (&content["x-event-data"], answer.events()),
            "application/json" => (&content["schema"], vec![answer.json()]),
            _ => (&content["schema"], vec![json!(answer.body)]),
        };
        let schema = schema.clone();
        let validator = self.validator(&schema);
        let mut wrong_values = Vec::new();
        for value in values.iter().filter(|value| **value != "[DONE]") {
            let wrong: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
            if !wrong.is_empty() {
                wrong_values.push(format!("{method} {path}: {wrong:?} in {value:#}"));
            }
        }
        self.objections.extend(wrong_values);
        self.seen.insert(format!("{method} {path} {} {media}", answer.status));
    }

    /// A schema with everything that it refers to.
    fn validator(&mut self, schema: &Value) -> &Validator {
        let components = &self.whole["components"];
        self.validators.entry(schema.to_string()).or_insert_with(|| {
            let schema = json!({"allOf": [schema], "components": components});
            jsonschema::draft202012::new(&schema).expect("a schema")
        })
    }
}

/// Has every object of every answer say all that it may have. Parts of an `allOf` see each other's fields only from outside,
/// so they stay open, and the whole is closed.
fn close(description: &mut Value) {
    let mut parts = BTreeSet::new();
    names_of_parts(description, &mut parts);
    let schemas = description["components"]["schemas"].as_object_mut().expect("schemas");
    for (name, schema) in schemas {
        if !parts.contains(name.as_str()) {
            close_one(schema);
        }
    }
    for item in description["paths"].as_object_mut().expect("paths").values_mut() {
        for operation in item.as_object_mut().expect("an item").values_mut() {
            close_one(&mut operation["responses"]);
        }
    }
}

fn close_one(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        if let Some(values) = schema.as_array_mut() {
            values.iter_mut().for_each(close_one);
        }
        return;
    };
    if fields.contains_key("allOf") || fields.contains_key("properties") {
        fields.entry("unevaluatedProperties").or_insert(json!(false));
    }
    fields.iter_mut().filter(|(name, _)| *name != "allOf").for_each(|(_, value)| close_one(value));
}

fn names_of_parts(value: &Value, parts: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                let name = part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
                parts.extend(name.map(str::to_owned));
            }
            fields.values().for_each(|value| names_of_parts(value, parts));
        }
        Value::Array(values) => values.iter().for_each(|value| names_of_parts(value, parts)),
        _ => {}
    }
}

/// A thought, a text with its log probabilities, and a call where there is a tool.
fn versatile() -> Fake {
    Fake::new(|request| {
        let thought = Token { reasoning: "Hm.".into(), ..Token::default() };
        let part = |id: Option<&str>, arguments: &str| Token {
            calls: vec![CallPart {
                index: 0,
                id: id.map(Into::into),
                name: id.map(|_| "look".into()),
                arguments: arguments.into(),
            }],
            ..Token::default()
        };
        let may_call = matches!(&request.prompt.prompt, backend::Prompt::Chat(chat) if chat.may_call());
        let calls = [part(Some("call-1"), "{"), part(None, "}")].into_iter().filter(|_| may_call);
        let has_logprobs = request.options.logprobs.is_some();
        let said = if has_logprobs { likely("a", -0.5) } else { Token::text("a") };
        [thought, said].into_iter().chain(calls).collect()
    })
}

fn ranking() -> Value {
    json!({"model": "m", "query": "q", "documents": ["a", {"text": "b"}]})
}

/// What is asked, with the fields of each variant besides.
fn questions() -> Vec<(&'static str, Value, Vec<Value>)> {
    let chat = json!([{"role": "user", "content": "hi"}]);
    let schema = json!({"type": "object"});
    let tool = json!([{"type": "function", "function": {"name": "look", "parameters": schema}}]);
    let usage = json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2, "logprobs": true});
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": chat}),
            vec![
                json!({}),
                json!({"logprobs": true, "top_logprobs": 1}),
                json!({"tools": tool}),
                json!({"n": 2}),
                usage,
                json!({"stream": true}),
                json!({"stream": true, "tools": tool}),
                json!({"temperature": 9}),
            ],
        ),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": "hi"}),
            vec![
                json!({}),
                json!({"logprobs": 1}),
                json!({"stream": true, "logprobs": 1, "n": 2}),
                json!({"stream": true, "stream_options": {"include_usage": true}}),
                json!({"prompt": null}),
            ],
        ),
        (
            "/v1/responses",
            json!({"model": "m", "input": "hi"}),
            vec![
                json!({}),
                json!({"stream": true}),
                json!({"top_logprobs": 1, "include": ["message.output_text.logprobs"]}),
                json!({"tools": [{"type": "function", "name": "look", "parameters": schema}], "stream": true}),
                json!({"tools": [{"type": "function", "name": "look", "parameters": schema}], "metadata": {"a": "b"}}),
                json!({"max_output_tokens": 1}),
                json!({"stream": true, "max_output_tokens": 1}),
                json!({"input": []}),
            ],
        ),
        (
            "/v1/embeddings",
            json!({"model": "m", "input": ["a", "b"]}),
            vec![json!({}), json!({"encoding_format": "base64"}), json!({"input": 7})],
        ),
        (
            "/v1/rerank",
            ranking(),
            vec![json!({}), json!({"return_documents": true, "top_n": 1}), json!({"documents": 7})],
        ),
        ("/rerank", ranking(), vec![json!({}), json!({"query": null})]),
        ("/reranking", ranking(), vec![json!({}), json!({"top_n": 0})]),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": chat}),
            vec![
                json!({}),
                json!({"stream": true}),
                json!({"tools": [{"name": "look", "input_schema": schema}]}),
                json!({"tools": [{"name": "look", "input_schema": schema}], "stream": true}),
                json!({"max_tokens": 0}),
            ],
        ),
        (
            "/v1/messages/count_tokens",
            json!({"model": "m", "messages": chat}),
            vec![json!({}), json!({"messages": []})],
        ),
        (
            "/completion",
            json!({"prompt": "hi"}),
            vec![
                json!({}),
                json!({"stream": true}),
                json!({"n_probs": 1}),
                json!({"n_probs": 1, "stream": true}),
                json!({"prompt": ""}),
            ],
        ),
        (
            "/tokenize",
            json!({"content": "hé"}),
            vec![json!({}), json!({"with_pieces": true}), json!({"content": null})],
        ),
        ("/detokenize", json!({"tokens": [104]}), vec![json!({}), json!({"tokens": [1000]})]),
        ("/apply-template", json!({"messages": chat}), vec![json!({}), json!({"messages": []})]),
        (
            "/chat",
            json!({"message": "hi"}),
            vec![
                json!({}),
                json!({"mode": "work", "context": ["a"]}),
                json!({"mode": "x"}),
                json!({"images": ["aGk="]}),
            ],
        ),
        ("/chat/stream", json!({"message": "hi"}), vec![json!({}), json!({"mode": "work"}), json!({"message": 7})]),
        ("/chat/cancel", json!({"request_id": "x"}), vec![json!({}), json!({"request_id": ""})]),
        ("/generate-title", json!({"message": "hi"}), vec![json!({}), json!({"message": null})]),
        ("/models/unload", json!({"name": "m"}), vec![json!({}), json!({"name": "nobody"}), json!({"name": null})]),
        ("/models/load", json!({"name": "m"}), vec![json!({}), json!({"name": "nobody"}), json!({"name": null})]),
    ]
}

fn with(body: &Value, fields: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

/// Whose prompts do not fit the fake engine: EDISON's own words go before them.
fn is_of_edison(path: &str) -> bool {
    path.starts_with("/chat") || path.starts_with("/models/") || path == "/generate-title"
}

/// Method: every operation is asked, in each way in which its answer has something else in it, and wrongly; each answer is
/// held against its schema, in which nothing else may be.
#[tokio::test(start_paused = true)]
async fn every_answer_is_as_described() {
    let steps = ModelScript { reply: Reply::Fixed("1. do\n2. it".into()), ..ModelScript::default() };
    let edison = Server::start(steps, HttpLimits::default()).await;
    let mut description = Description::of(&edison).await;
    for (path, body, variants) in questions() {
        for fields in variants {
            let server = if is_of_edison(path) { &edison } else { &Server::playing(&versatile()).await };
            let answer = server.connect().post(path, "", &with(&body, &fields)).await;
            description.hold("post", path, &answer);
        }
        let large = json!({"message": "x".repeat(2 << 20)});
        description.hold("post", path, &edison.connect().post(path, "", &large).await);
        description.hold("post", path, &edison.connect().post(path, "", &json!([])).await);
    }
    let gets = description.whole["paths"].as_object().expect("paths").clone();
    for (path, _) in gets.iter().filter(|(_, item)| item["get"].is_object()) {
        for id in ["m", "nobody"] {
            let asked = path.replace("{id}", id) + if id == "m" { "" } else { "?model=nobody" };
            let answer = Answer::read(&edison.connect().ask("GET", &asked).await);
            description.hold("get", path, &answer);
        }
    }
    let answers = description.whole["paths"].as_object().expect("paths").iter().flat_map(|(path, item)| {
        item.as_object().expect("an item").iter().flat_map(move |(method, operation)| {
            let medias = operation["responses"]["200"]["content"].as_object().expect("media").keys();
            medias.map(move |media| format!("{method} {path} 200 {media}"))
        })
    });
    assert!(description.objections.is_empty(), "{}", description.objections.join("\n"));
    let unseen: Vec<_> = answers.filter(|answer| !description.seen.contains(answer)).collect();
    assert!(unseen.is_empty(), "nobody asked for {unseen:?}");
}

/// Method: one holds a lane with an adapter and one waits with it, so that all is there that can be shown of them.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_held_and_waited_for_is_as_described() {
    let source = ModelSource::File("tone.gguf".into());
    let adapters = vec![AdapterSpec { name: "tone".into(), source, scale: Scale::ONE }];
    let spec = ModelSpec { adapters, ..ModelSpec::new("m", ModelSource::File("m.gguf".into())) };
    let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
    let service = Service::start(config, Arc::new(versatile())).expect("a consistent configuration");
    service.loaded().await;
    let server = Server { service, options: AppOptions::default() };
    let mut description = Description::of(&server).await;
    let body = json!({"model": "m:tone", "messages": [{"role": "user", "content": "hi"}]});
    let ask = || server.connect().post("/v1/chat/completions", "", &body);
    assert_eq!(ask().await.status, 200);
    let looks = async {
        sleep(Duration::from_millis(1)).await;
        for path in ["/locks", "/slots"] {
            let answer = Answer::read(&server.connect().ask("GET", path).await);
            assert!(answer.body.contains("\"scale\":1.0"), "{}", answer.body);
            description.hold("get", path, &answer);
        }
        let locks = server.service.models();
        assert!(locks[0].lanes[0].holder.is_some() && locks[0].waiting.len() == 1, "{locks:?}");
    };
    tokio::join!(ask(), ask(), looks);
    assert!(description.objections.is_empty(), "{}", description.objections.join("\n"));
}

/// What goes wrong under way is an event of the form that is told, too, and what is refused has its own.
#[tokio::test(start_paused = true)]
async fn failures_and_refusals_are_as_described() {
    let faults = (1..100).map(|call| (call, Fault::FailAfter { tokens: 1 })).collect();
    let fails = ModelScript { faults, ..ModelScript::default() };
    let server = Server::start(fails, HttpLimits::default()).await;
    let mut description = Description::of(&server).await;
    for (path, body, _) in questions() {
        for stream in [false, true] {
            let body = with(&body, &json!({"stream": stream}));
            description.hold("post", path, &server.connect().post(path, "", &body).await);
        }
    }
    assert!(description.objections.is_empty(), "{}", description.objections.join("\n"));
    assert!(description.seen.iter().any(|seen| seen.contains(" 500 ")), "nothing failed");
}

/// A check that objects to nothing shows nothing.
#[tokio::test(start_paused = true)]
async fn an_answer_with_a_field_too_many_or_too_few_is_found() {
    let server = Server::playing(&versatile()).await;
    let mut description = Description::of(&server).await;
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = server.connect().post("/v1/chat/completions", "", &chat).await.json();
    let content = &description.whole["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"];
    let schema = content["application/json"]["schema"].clone();
    let validator = description.validator(&schema);
    assert!(validator.is_valid(&answer));
    for pointer in ["", "/choices/0", "/choices/0/message", "/usage/prompt_tokens_details", "/timings"] {
        let mut more = answer.clone();
        more.pointer_mut(pointer).expect("it is there")["surprise"] = json!(1);
        assert!(!validator.is_valid(&more), "a surprise at {pointer:?} was not found");
    }
    for (pointer, field) in [("", "id"), ("/choices/0", "index"), ("/usage", "prompt_tokens")] {
        let mut less = answer.clone();
        less.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object").remove(field);
        assert!(!validator.is_valid(&less), "that {field} is missing was not found");
    }
}
