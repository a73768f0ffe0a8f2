//! Texts that are continued, and tokens for whoever only wants to look.

use std::sync::Arc;

use backend::{Prompt, Token};
use serde_json::{Value, json};
use server::HttpLimits;

use super::fake::{Fake, likely};
use super::support::{Answer, Server};

const PATH: &str = "/v1/completions";

async fn ask(fake: &Fake, fields: &Value) -> Answer {
    let mut body = json!({"model": "m", "prompt": "ab"});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    Server::playing(fake).await.connect().post(PATH, "", &body).await
}

#[tokio::test(start_paused = true)]
async fn a_text_is_continued_without_a_template() {
    let fake = Fake::new(|_| vec![likely("c", -0.5), likely("d", -1.0)]);
    let answer = ask(&fake, &json!({"logprobs": 1})).await.json();
    let logprobs = json!({
        "tokens": ["c", "d"], "token_logprobs": [-0.5, -1.0], "text_offset": [0, 1],
        "top_logprobs": [{"c": -0.5, "bytes:\\xff": -9999.0}, {"d": -1.0, "bytes:\\xff": -9999.0}],
    });
    let expected = json!({
        "id": "cmpl-t-1", "object": "text_completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"text": "cd", "index": 0, "logprobs": logprobs, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
        "timings": {
            "cache_n": 1, "prompt_n": 1, "prompt_ms": 10.0, "prompt_per_second": 100.0,
            "predicted_n": 2, "predicted_ms": 10.0, "predicted_per_second": 200.0,
            "waited_ms": 0.0, "loaded_ms": 0.0,
        },
    });
    assert_eq!(answer, expected);
    assert_eq!(fake.the_request().prompt.prompt, Prompt::Text("ab".into()));
}

/// Two prompts with two choices each: the choices of a prompt lie beside each other, and each prompt counts once.
#[tokio::test(start_paused = true)]
async fn several_prompts_have_several_choices_each() {
    let fake = Fake::new(|request| vec![Token::text(format!("<{}>", request.prompt.tokens.len()))]);
    let fields = json!({"prompt": [[97], [98, 99]], "n": 2, "echo": true});
    let answer = ask(&fake, &fields).await.json();
    let texts: Vec<_> = answer["choices"].as_array().expect("choices").iter().map(|choice| &choice["text"]).collect();
    assert_eq!(texts, ["a<1>", "a<1>", "bc<2>", "bc<2>"]);
    assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]), (&json!(3), &json!(4)));
    let asked = fake.asked.lock().expect("nobody panicked");
    let tokens: Vec<_> = asked.iter().map(|request| request.prompt.tokens.clone()).collect();
    assert_eq!(tokens, [vec![97], vec![97], vec![98, 99], vec![98, 99]]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_pieces_a_reason_the_usage_and_an_end() {
    let server = Server::over(Arc::new(Fake::saying(&["c", "d"])), HttpLimits::default(), 1);
    server.service.loaded().await;
    let body = json!({
        "model": "m", "prompt": "ab", "echo": true, "stream": true, "stream_options": {"include_usage": true},
    });
    let events = server.connect().post(PATH, "", &body).await.events();
    let texts: Vec<_> = events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
    assert_eq!(texts, ["ab", "c", "d", ""]);
    assert_eq!(events[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&events[4]["choices"], &events[4]["usage"]["total_tokens"]), (&json!([]), &json!(4)));
    assert_eq!((events.len(), &events[5]), (6, &json!("[DONE]")));
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_objects_to_is_said_of_the_prompt() {
    let fake = Fake::saying(&["a"]);
    let rows = [
        (json!({"prompt": ""}), "prompt", "invalid_request_error"),
        (json!({"prompt": "x".repeat(64)}), "prompt", "context_length_exceeded"),
        (json!({"prompt": [97, 300]}), "prompt", "invalid_request_error"),
        (json!({"prompt": [97, 300], "echo": true}), "prompt", "invalid_request_error"),
    ];
    for (fields, param, code) in rows {
        let answer = ask(&fake, &fields).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["param"], &error["code"]), (400, &json!(param), &json!(code)), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn texts_become_tokens_and_tokens_texts_without_a_lane() {
    let fake = Fake::saying(&["a"]);
    let server = Server::playing(&fake).await;
    let chat = json!({"messages": [{"role": "user", "content": "hi"}]});
    let rows = [
        ("/tokenize", json!({"content": "ab"}), json!({"tokens": [97, 98]})),
        ("/tokenize", json!({"content": "a", "add_special": true, "model": "fast"}), json!({"tokens": [1, 97]})),
        (
            "/tokenize",
            json!({"content": "aä", "with_pieces": true}),
            json!({"tokens": [{"id": 97, "piece": "a"}, {"id": 195, "piece": [195]}, {"id": 164, "piece": [164]}]}),
        ),
        ("/detokenize", json!({"tokens": [97, 195, 164]}), json!({"content": "aä"})),
        ("/apply-template", chat, json!({"prompt": "user: hi\n"})),
    ];
    for (path, body, expected) in rows {
        let answer = server.connect().post(path, "", &body).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    assert!(server.service.models()[0].history.is_empty(), "nobody held a lane");
    let rows = [
        ("/tokenize", json!({}), 400, "content"),
        ("/detokenize", json!({"tokens": [300]}), 400, "tokens"),
        ("/tokenize", json!({"content": "a", "model": "none"}), 404, "model"),
    ];
    for (path, body, status, param) in rows {
        let answer = server.connect().post(path, "", &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (status, &json!(param)), "{path}");
    }
}
