//! What an answer can hold besides text: calls, thoughts, JSON, likelihoods, choices; and vectors. Each with its rows in
//! the journal.

use serde_json::{Value, json};
use server::mock::Mock;

use crate::support::{Answer, ask, chat, journal, mock, post, send};

/// A chat of one message, and what is asked besides.
fn asking(text: &str, fields: &Value) -> Value {
    let mut body = chat(text);
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn whole(mock: &Mock, text: &str, fields: &Value) -> Value {
    let answer = post(mock, &[], &asking(text, fields)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn streamed(mock: &Mock, text: &str, fields: &Value) -> Vec<Value> {
    let mut body = asking(text, fields);
    body["stream"] = json!(true);
    let answer = post(mock, &[], &body).await;
    assert_eq!(answer.events().last(), Some(&"[DONE]"), "{}", answer.text);
    let events = answer.events();
    events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// The fields of each row of the journal.
async fn rows(mock: &Mock, keys: &[&str]) -> Vec<Vec<Value>> {
    let journal = journal(mock, "?settle_ms=1000", &[]).await;
    assert_eq!(journal["overlaps"], 0);
    let row = |request: &Value| keys.iter().map(|key| request[*key].clone()).collect();
    journal["requests"].as_array().unwrap().iter().map(row).collect()
}

fn tools() -> Value {
    let parameters = json!({"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer", "minimum": 2},
    }, "required": ["city", "days"]});
    let function = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
    json!([function("get_weather"), function("get_news")])
}

const WEATHER: &str = r#"
    [[models]]
    name = "fast"
    [[rules]]
    name = "asks"
    when = { tool = "get_weather", user_contains = "weather", after_tool = false }
    reply = { reasoning = "They need a forecast.", text = "One moment.", tool_calls = [
        { name = "get_weather", arguments = { city = "Paris", days = 3 }, id = "call_a" }, { name = "get_news" },
    ] }
    [[rules]]
    name = "tells"
    when = { result_of = "get_weather" }
    reply = { template = "It is {{ result }}." }
"#;

/// A whole turn of tools: thoughts, text and two calls, one with arguments that the tool's schema accepts, then the results.
#[tokio::test(start_paused = true)]
async fn calls_come_from_a_rule_and_their_results_reach_the_next_one() {
    let mock = mock(WEATHER);
    let fields = json!({"tools": tools()});
    let answer = whole(&mock, "How is the weather?", &fields).await;
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("One moment."))
    );
    assert_eq!(choice["message"]["reasoning_content"], "They need a forecast.");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[0]["id"], &calls[0]["type"]), (2, &json!("call_a"), &json!("function")));
    let arguments =
        |call: &Value| -> Value { serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap() };
    assert_eq!(arguments(&calls[0]), json!({"city": "Paris", "days": 3}));
    let made = arguments(&calls[1]);
    assert!(made["city"].is_string() && made["days"].as_i64().unwrap() >= 2, "the schema's: {made}");

    let mut told = asking("How is the weather?", &fields);
    let (assistant, first, second) = (choice["message"].clone(), calls[1]["id"].clone(), &calls[0]["id"]);
    let messages = told["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": assistant["content"], "tool_calls": assistant["tool_calls"]}));
    messages.push(json!({"role": "tool", "tool_call_id": first, "content": "quiet"}));
    messages.push(json!({"role": "tool", "tool_call_id": second, "content": "sunny"}));
    assert_eq!(post(&mock, &[], &told).await.content(), "It is sunny.");
    let rows = rows(&mock, &["rule", "call", "outcome"]).await;
    assert_eq!(
        rows,
        [[json!("asks"), json!(1), json!("finished_tool_calls")], [json!("tells"), json!(2), json!("finished")]]
    );
}

/// Method: the pieces of the stream, put together as clients do, are the whole answer.
#[tokio::test(start_paused = true)]
async fn calls_and_thoughts_are_streamed_in_pieces_that_add_up() {
    let mock = mock(WEATHER);
    let fields = json!({"tools": tools()});
    let expected = whole(&mock, "How is the weather?", &fields).await;
    let events = streamed(&mock, "How is the weather?", &fields).await;
    let (mut text, mut thoughts, mut calls) = (String::new(), String::new(), Vec::<(Value, Value, String)>::new());
    for event in &events {
        let delta = &event["choices"][0]["delta"];
        text += delta["content"].as_str().unwrap_or_default();
        thoughts += delta["reasoning_content"].as_str().unwrap_or_default();
        for part in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = part["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                calls.push((part["id"].clone(), part["function"]["name"].clone(), String::new()));
            }
            calls[index].2 += part["function"]["arguments"].as_str().unwrap();
        }
    }
    let message = &expected["choices"][0]["message"];
    assert_eq!((json!(text), json!(thoughts)), (message["content"].clone(), message["reasoning_content"].clone()));
    for (call, expected) in calls.iter().zip(message["tool_calls"].as_array().unwrap()) {
        assert_eq!((&call.1, &json!(call.2)), (&expected["function"]["name"], &expected["function"]["arguments"]));
    }
    assert_eq!((calls.len(), &calls[0].0), (2, &json!("call_a")));
    assert_ne!(calls[1].0, message["tool_calls"][1]["id"], "an id is made from the number of the call");
    assert!(events.len() > 10, "in pieces");
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

/// Without a rule, `tool_choice` decides what a model does; what it may not call, no rule can make it call.
#[tokio::test(start_paused = true)]
async fn tool_choice_alone_makes_a_model_call() {
    let mock = mock("");
    let rows_of = [
        (json!("required"), Some("get_weather")),
        (json!({"type": "function", "function": {"name": "get_news"}}), Some("get_news")),
        (json!("auto"), None),
        (json!("none"), None),
    ];
    for (choice, called) in rows_of {
        let fields = json!({"tools": tools(), "tool_choice": choice});
        let answer = whole(&mock, "Count from 1 to 2", &fields).await;
        let message = &answer["choices"][0]["message"];
        match called {
            Some(name) => assert_eq!(message["tool_calls"][0]["function"]["name"], name, "{choice}"),
            None => {
                assert_eq!((&message["content"], &message["tool_calls"]), (&json!("1 2"), &Value::Null), "{choice}")
            }
        }
    }
    let insists = crate::support::mock("[[rules]]\nreply = { tool_calls = [{ name = \"get_weather\" }] }\n");
    let refused = post(&insists, &[], &asking("x", &json!({"tools": tools(), "tool_choice": "none"}))).await;
    assert_eq!(
        refused.json()["error"]["message"],
        "rule 1: it calls the tool \"get_weather\", and the request offers no tool"
    );
    let row = &rows(&insists, &["status", "objection"]).await[0];
    assert_eq!(row[0], 400);
    assert!(row[1].as_str().unwrap().contains("offers no tool"), "{row:?}");
}

/// The answer is JSON that the schema accepts, from a rule and without one, whole and streamed; the same each time.
#[tokio::test(start_paused = true)]
async fn a_response_format_is_answered_by_json_of_that_form() {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string", "minLength": 3}, "age": {"type": "integer", "minimum": 18, "maximum": 30},
        "mood": {"enum": ["good", "bad"]}, "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
    }, "required": ["name", "age", "mood", "tags"], "additionalProperties": false});
    let form = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}});
    let ruled = "[[rules]]\nname = \"form\"\nwhen = { json = true }\nreply = { json = true }\n";
    for script in ["", ruled] {
        let mock = mock(script);
        let answer = whole(&mock, "Who?", &form).await;
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        let person: Value = serde_json::from_str(text).unwrap();
        assert!(
            person["name"].as_str().unwrap().len() >= 3 && person["tags"].as_array().unwrap().len() >= 2,
            "{person}"
        );
        assert!(
            (18..=30).contains(&person["age"].as_i64().unwrap())
                && ["good", "bad"].contains(&person["mood"].as_str().unwrap())
        );
        assert_eq!(person.as_object().unwrap().len(), 4, "{person}");
        let events = streamed(&mock, "Who?", &form).await;
        let again: String =
            events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(again, text);
        let object = whole(&mock, "Who?", &json!({"response_format": {"type": "json_object"}})).await;
        let object: Value = serde_json::from_str(object["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
        assert!(object.is_object());
    }
    let without =
        mock("[[models]]\nname = \"fast\"\nwithout = [\"constraints\", \"tools\", \"logprobs\", \"embeddings\"]\n");
    for (fields, param) in
        [(&form, "response_format"), (&json!({"tools": tools()}), "tools"), (&json!({"logprobs": true}), "logprobs")]
    {
        let refused = post(&without, &[], &asking("x", fields)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["param"]), (400, &json!(param)));
    }
}

#[tokio::test(start_paused = true)]
async fn every_token_can_tell_how_likely_it_was() {
    let mock = mock("[[rules]]\nreply = \"abcdef\"\n");
    let fields = json!({"logprobs": true, "top_logprobs": 3});
    let answer = whole(&mock, "x", &fields).await;
    let content = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let text: String = content.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(text, "abcdef");
    for token in content {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["logprob"], &top[0]["token"]), (3, &token["logprob"], &token["token"]));
        assert!(token["logprob"].as_f64().unwrap() < 0.0);
    }
    let pieces = streamed(&mock, "x", &fields).await;
    let of = |event: &Value| event["choices"][0]["logprobs"]["content"].as_array().cloned();
    assert_eq!(&pieces.iter().filter_map(of).flatten().collect::<Vec<_>>(), content);
    assert_eq!(whole(&mock, "x", &json!({})).await["choices"][0]["logprobs"], Value::Null);
}

/// Method: two lanes, three choices. Each is a call of its own: it has a rule, a ticket and tokens, all in one row.
#[tokio::test(start_paused = true)]
async fn each_choice_of_an_answer_is_a_call_with_its_own_part_of_the_row() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\nlanes = 2\ntime_per_token = \"10ms\"\n\
         [[rules]]\nname = \"three\"\nreply = [\"one\", \"two\", \"three\"]\n",
    );
    let test = [("x-test-id", "choices"), ("x-request-id", "r")];
    let answer = post(&mock, &test, &asking("x", &json!({"n": 3}))).await;
    let texts: Vec<Value> = answer.json()["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].clone())
        .collect();
    assert_eq!(texts, ["one", "two", "three"]);
    let journal = journal(&mock, "?settle_ms=1000", &test[..1]).await;
    let request = &journal["requests"][0];
    assert_eq!(journal["requests"].as_array().map(Vec::len), Some(1), "one request");
    let seen = |row: &Value| ["rule", "call", "ticket", "tokens", "outcome", "lane"].map(|key| row[key].clone());
    let row = |call: u64, tokens: u64, lane: u64| {
        [json!("three"), json!(call), json!(call), json!(tokens), json!("finished"), json!(lane)]
    };
    assert_eq!(seen(request), row(1, 2, 0));
    assert_eq!((&request["parts"][0]["id"], seen(&request["parts"][0])), (&json!("r#1"), row(2, 2, 1)));
    assert_eq!((&request["parts"][1]["id"], seen(&request["parts"][1])), (&json!("r#2"), row(3, 3, 0)));
    assert_eq!(request["parts"][1]["waited_ms"], 20.0);
    let grants: Vec<_> = journal["grants"].as_array().unwrap().iter().map(|grant| &grant["request_id"]).collect();
    assert_eq!(grants, ["r", "r#1", "r#2"]);
    let other = journal_of_nobody(&mock).await;
    assert_eq!(other, 0, "the parts belong to their test");
}

async fn journal_of_nobody(mock: &Mock) -> usize {
    journal(mock, "", &[("x-test-id", "nobody")]).await["requests"].as_array().map_or(0, Vec::len)
}

/// A client that leaves leaves all of its choices; whoever asks for a settled journal sees each at its end.
#[tokio::test(start_paused = true)]
async fn leaving_ends_every_choice_and_the_journal_settles_after_the_last() {
    let mock = mock("[[models]]\nname = \"fast\"\ntime_per_token = \"10ms\"\nstop_delay = \"100ms\"\n");
    let body = asking("Count from 1 to 2000", &json!({"n": 2}));
    let left = tokio::time::timeout(std::time::Duration::from_millis(55), post(&mock, &[], &body));
    left.await.expect_err("it takes longer");
    let journal = journal(&mock, "?settle_ms=5000", &[]).await;
    let request = &journal["requests"][0];
    let (first, second) =
        (["outcome", "phase"].map(|key| &request[key]), ["outcome", "phase"].map(|key| &request["parts"][0][key]));
    assert_eq!((first, second), ([&json!("cancelled"), &json!("decode")], [&json!("cancelled"), &json!("waiting")]));
    assert!(request["released_ms"].as_f64().unwrap() >= 150.0, "{request}");
}

/// The second prompt begins as the first: what they have in common is computed once, and told everywhere.
#[tokio::test(start_paused = true)]
async fn what_an_engine_remembers_counts_as_cached() {
    let mock = mock("[[models]]\nname = \"fast\"\nprefix_cache = true\nprefill_per_token = \"10ms\"\n");
    let long = format!("Repeat after me: {}", "word ".repeat(30));
    let first = whole(&mock, &long, &json!({})).await;
    let begun = tokio::time::Instant::now();
    let second = whole(&mock, &long, &json!({})).await;
    let prompt = second["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(first["usage"]["prompt_tokens"], second["usage"]["prompt_tokens"]);
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0), 0);
    assert_eq!(second["usage"]["prompt_tokens_details"]["cached_tokens"], prompt - 1);
    assert_eq!(begun.elapsed().as_millis(), 10, "one token of the prompt");
    let asked = json!({"stream_options": {"include_usage": true}});
    let usage = streamed(&mock, &long, &asked).await.pop().unwrap()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], prompt - 1);
}

async fn vectors(mock: &Mock, body: &Value) -> Answer {
    send(mock, http::Method::POST, "/v1/embeddings", &[], body.to_string()).await
}

/// The same text has the same vector; texts that share words are nearer to each other.
#[tokio::test(start_paused = true)]
async fn embeddings_depend_on_the_text_and_have_a_row() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\nembedding_len = 128\n[[models]]\nname = \"other\"\nwithout = [\"embeddings\"]\n",
    );
    let input = ["the weather in Paris", "weather of Paris", "quarterly tax report", "the weather in Paris"];
    let answer = vectors(&mock, &json!({"model": "fast", "input": input})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    let vector = |n: usize| -> Vec<f64> {
        answer["data"][n]["embedding"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let cosine = |a: usize, b: usize| -> f64 { vector(a).iter().zip(vector(b)).map(|(a, b)| a * b).sum() };
    assert_eq!((vector(0).len(), vector(0) == vector(3)), (128, true));
    assert!(cosine(0, 1) > 2.0 * cosine(0, 2) && cosine(0, 1) > 0.3, "{} {}", cosine(0, 1), cosine(0, 2));
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 4);
    assert_eq!(vectors(&mock, &json!({"model": "other", "input": "x"})).await.status, 400);
    let rows = rows(&mock, &["path", "model", "call", "outcome", "status"]).await;
    let path = json!("/v1/embeddings");
    assert_eq!(rows[0], [path.clone(), json!("fast"), json!(1), json!("finished"), json!(200)]);
    assert_eq!(rows[1], [path, json!("other"), Value::Null, json!("refused"), json!(400)]);
}

/// Embeddings are calls like others: by the number of the call, and by test.
#[tokio::test(start_paused = true)]
async fn embeddings_fail_on_schedule_and_each_test_counts_its_own() {
    let mock = mock(
        "[[faults]]\ncalls = [1]\nfault = { status = 429, retry_after = \"2s\" }\n\
         [[faults]]\ncalls = [3]\nfault = { break_lane_after = 0 }\n[[faults]]\ncalls = [5]\nfault = { slow_prefill = \"3s\" }\n",
    );
    let body = json!({"model": "fast", "input": "x"}).to_string();
    let mut statuses = Vec::new();
    for test_id in ["a", "a", "a", "b", "a"] {
        let headers = [("x-test-id", test_id)];
        let answer = send(&mock, http::Method::POST, "/v1/embeddings", &headers, body.clone()).await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [429, 200, 500, 429, 200], "the lane that broke was rebuilt");
    let begun = tokio::time::Instant::now();
    send(&mock, http::Method::POST, "/v1/embeddings", &[("x-test-id", "a")], body).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    let journal = journal(&mock, "?settle_ms=1000", &[("x-test-id", "a")]).await;
    let calls: Vec<_> = journal["requests"].as_array().unwrap().iter().map(|request| &request["call"]).collect();
    assert_eq!(calls, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_text_is_continued_by_the_rules_too() {
    let mock = mock("[[rules]]\nname = \"story\"\nwhen = { user_contains = \"Once\" }\nreply = \" upon a time\"\n");
    let body = json!({"model": "fast", "prompt": ["Once", "Once more"], "max_tokens": 9, "temperature": 0});
    let answer = send(&mock, http::Method::POST, "/v1/completions", &[], body.to_string()).await.json();
    let texts: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|choice| choice["text"].clone()).collect();
    assert_eq!(texts, [" upon a time", " upon a time"]);
    let rows = rows(&mock, &["rule", "parts"]).await;
    assert_eq!((&rows[0][0], &rows[0][1][0]["rule"], rows.len()), (&json!("story"), &json!("story"), 1));
    assert_eq!(ask(&mock, "Once").await.content(), " upon a time");
}

/// What a request says comes back in the message, and never all of it.
#[tokio::test(start_paused = true)]
async fn an_objection_to_a_request_is_short_however_long_the_request_is() {
    let mock = mock("[[models]]\nname = \"fast\"\n[[rules]]\nreply = { json = true }\n");
    let mut body = chat("hi");
    let schema = json!({"type": "x".repeat(100_000)});
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let answer = post(&mock, &[], &body).await;
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(answer.status == 400 && message.contains("unknown type \"xxx") && message.len() < 1000, "{message}");
}

/// llama-server's paths have the errors of the OpenAI protocol, also where a script is the reason.
#[tokio::test(start_paused = true)]
async fn a_script_objects_in_the_words_of_the_path() {
    let mock = mock("strict = true\n[[models]]\nname = \"fast\"\n");
    let body = json!({"prompt": "hi"}).to_string();
    let answer = send(&mock, http::Method::POST, "/completion", &[], body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!("no_scripted_answer")));
}
