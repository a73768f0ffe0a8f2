//! Adapters: asked for by name or by number, told by every listing, and never another request's.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::mock::{Mock, Script};
use tokio::time::sleep;

use crate::support::{Answer, chat, mock, post, send};

const SCRIPT: &str = r#"
    [[models]]
    name = "fast"
    aliases = ["quick"]
    adapters = ["tone", "law"]
    prefix_cache = true
    [[models]]
    name = "medium"
    adapters = ["tune"]
    [[rules]]
    when = { adapter = "tone" }
    reply = "In another tone."
    [[rules]]
    when = { adapter = "law" }
    reply = { template = "By {{ adapter }} of {{ model }}." }
    [[rules]]
    reply = "Plainly."
"#;

fn asking(model: &str, lora: &Value) -> Value {
    let mut body = chat("How?");
    body["model"] = json!(model);
    body["lora"] = lora.clone();
    body
}

async fn get(mock: &Mock, path: &str) -> Answer {
    send(mock, Method::GET, path, &[], String::new()).await
}

#[tokio::test(start_paused = true)]
async fn an_adapter_is_asked_for_by_name_or_by_number_and_told_in_the_answer() {
    let mock = mock(SCRIPT);
    let rows = [
        ("fast:tone", json!(null), "In another tone.", "fast:tone"),
        ("quick:law", json!([]), "By law of fast.", "fast:law"),
        ("fast", json!([{"id": 1, "scale": 1}]), "By law of fast.", "fast:law"),
        ("fast", json!([{"id": 0, "scale": 0.5}, {"id": 1, "scale": 0}]), "In another tone.", "fast:tone"),
        ("fast", json!([{"id": 0, "scale": 0}]), "Plainly.", "fast"),
        ("fast", json!(null), "Plainly.", "fast"),
        // The tier of this name points at a model without it; the one that may stand in for it has it.
        ("deep:tune", json!(null), "Plainly.", "medium:tune"),
    ];
    for (model, lora, said, told) in rows {
        let answer = post(&mock, &[], &asking(model, &lora)).await;
        assert_eq!((answer.content().as_str(), &answer.json()["model"]), (said, &json!(told)), "{model} {lora}");
        assert_eq!(answer.headers["x-edison-model"], told);
    }
    let mut streamed = asking("fast:tone", &json!(null));
    streamed["stream"] = json!(true);
    let answer = post(&mock, &[], &streamed).await;
    assert_eq!(answer.streamed(), "In another tone.");
    assert!(answer.events()[0].contains("\"model\":\"fast:tone\""), "{}", answer.text);
}

/// The protocols without `lora` take the name.
#[tokio::test(start_paused = true)]
async fn every_protocol_takes_the_name_of_an_adapter() {
    let mock = mock(SCRIPT);
    let messages = json!([{"role": "user", "content": "How?"}]);
    let rows = [
        ("/v1/completions", json!({"prompt": "How?"})),
        ("/completion", json!({"prompt": "How?"})),
        ("/v1/responses", json!({"input": "How?"})),
        ("/v1/messages", json!({"messages": messages, "max_tokens": 99})),
    ];
    for (path, mut body) in rows {
        body["model"] = json!("fast:tone");
        let answer = send(&mock, Method::POST, path, &[], body.to_string()).await;
        assert!(answer.status == 200 && answer.text.contains("In another tone."), "{path}: {}", answer.text);
        body["lora"] = json!([{"id": 0, "scale": 1}]);
        let both = send(&mock, Method::POST, path, &[], body.to_string()).await;
        assert_eq!(both.status, 400, "{path}: {}", both.text);
    }
    // An adapter changes no token.
    let body = json!({"model": "fast:tone", "content": "How?"});
    assert_eq!(send(&mock, Method::POST, "/tokenize", &[], body.to_string()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_does_not_exist_is_refused_and_the_known_ones_are_named() {
    let mock = mock(SCRIPT);
    let rows = [
        ("fast:toan", json!(null), 404, "model", "no adapter \\\"toan\\\"; it has tone, law"),
        ("slow:tone", json!(null), 404, "model", "known are fast, fast:law, fast:tone, medium, medium:tune, quick"),
        ("fast", json!([{"id": 2, "scale": 1}]), 400, "lora", "no adapter 2; it has tone, law"),
        ("fast:tone", json!([{"id": 0, "scale": 1}]), 400, "lora", "give one of them"),
    ];
    for (model, lora, status, param, part) in rows {
        let answer = post(&mock, &[], &asking(model, &lora)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["param"]),
            (status, &json!(param)),
            "{}",
            answer.text
        );
        assert!(answer.text.contains(part), "{}", answer.text);
    }
    let body = json!({"model": "fast:tone", "input": "How?"}).to_string();
    let answer = send(&mock, Method::POST, "/v1/embeddings", &[], body).await;
    assert!(
        answer.status == 400 && answer.text.contains("embeddings or scores that an adapter changes"),
        "{}",
        answer.text
    );
}

#[tokio::test(start_paused = true)]
async fn every_listing_tells_of_adapters() {
    let mock = mock(SCRIPT);
    post(&mock, &[], &chat("How?")).await;
    let models = get(&mock, "/v1/models").await.json();
    let listed: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(listed[..5], ["fast", "fast:tone", "fast:law", "medium", "medium:tune"]);
    assert_eq!(models["data"][0]["adapters"], json!(["tone", "law"]));
    let one = get(&mock, "/v1/models/quick:law").await.json();
    assert_eq!((&one["id"], &one["root"], &one["state"]), (&json!("fast:law"), &json!("fast"), &json!("ready")));
    let expected = json!([
        {"id": 0, "name": "tone", "path": "", "scale": 1.0},
        {"id": 1, "name": "law", "path": "", "scale": 1.0},
    ]);
    assert_eq!(get(&mock, "/props").await.json()["lora_adapters"], expected);
    assert_eq!(get(&mock, "/lora-adapters").await.json(), expected);
    assert_eq!(get(&mock, "/lora-adapters?model=medium").await.json()[0]["name"], "tune");
    assert_eq!(get(&mock, "/lora-adapters?model=none").await.status, 404);
}

/// Method: one holds the lane with one adapter, behind it wait one with another, at half its strength, and one with none: an
/// adapter at 0 is none. Each is shown while it waits, while it holds the lane, after that, and in the metrics.
#[tokio::test(start_paused = true)]
async fn the_adapter_of_a_request_is_shown_while_it_waits_and_holds_and_afterwards() {
    let mock = mock(&SCRIPT.replace("prefix_cache = true", "time_per_token = \"10ms\""));
    let first = tokio::spawn(post_to(mock.clone(), asking("fast:tone", &json!(null))));
    sleep(Duration::from_millis(1)).await;
    let second = tokio::spawn(post_to(mock.clone(), asking("fast", &json!([{"id": 1, "scale": 0.5}]))));
    sleep(Duration::from_millis(1)).await;
    let third = tokio::spawn(post_to(mock.clone(), asking("fast", &json!([{"id": 1, "scale": 0}]))));
    sleep(Duration::from_millis(1)).await;

    let (tone, law) = (json!({"name": "tone", "scale": 1.0}), json!({"name": "law", "scale": 0.5}));
    let lock = get(&mock, "/locks").await.json()["models"][0].clone();
    let shown = [&lock["lanes"][0]["holder"], &lock["waiting"][0], &lock["waiting"][1]].map(|r| r["adapter"].clone());
    assert_eq!(shown, [tone.clone(), law.clone(), json!(null)], "{lock}");
    let slots = get(&mock, "/slots?model=fast").await.json();
    assert_eq!(slots[0]["params"], json!({"lora": [{"id": 0, "scale": 1.0}]}), "{slots}");

    for answered in [first, second, third] {
        assert_eq!(answered.await.unwrap().status, 200);
    }
    let history = get(&mock, "/locks").await.json()["models"][0]["history"].clone();
    let shown: Vec<_> = history.as_array().unwrap().iter().map(|hold| hold["adapter"].clone()).collect();
    assert_eq!(shown, [tone, law, json!(null)]);
    assert_eq!(get(&mock, "/slots?model=fast").await.json()[0].get("params"), None);
    let page = get(&mock, "/metrics").await.text;
    let counted: Vec<_> = page.lines().filter(|line| line.starts_with("edison_adapter_requests_total")).collect();
    let of = |adapter: &str| format!("edison_adapter_requests_total{{model=\"fast\",adapter=\"{adapter}\"}} 1");
    assert_eq!(counted.len(), 2, "nothing is counted of those without: {counted:?}");
    assert!(counted.contains(&of("tone").as_str()) && counted.contains(&of("law").as_str()), "{counted:?}");
}

async fn post_to(mock: Mock, body: Value) -> Answer {
    post(&mock, &[], &body).await
}

/// What was computed with one adapter is not used again with another.
#[tokio::test(start_paused = true)]
async fn a_prompt_is_remembered_for_its_adapter_only() {
    let mock = mock(SCRIPT);
    let cached = async |model: &str| {
        let usage = post(&mock, &[], &asking(model, &json!(null))).await.json()["usage"].clone();
        usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!([cached("fast").await, cached("fast:tone").await, cached("fast:law").await], [0; 3]);
    assert!(cached("fast:law").await > 0);
    assert_eq!(cached("fast").await, 0);
}

#[test]
fn a_script_names_adapters_that_can_be_asked_for() {
    let rows = [
        ("adapters = [\"t:u\"]", "models[0].adapters", "without a colon"),
        ("adapters = [\"t\", \"t\"]", "models[0].adapters", "is taken"),
        (
            "adapters = [\"tone\"]\n[[rules]]\nwhen = { adapter = \"toan\" }\nreply = \"x\"",
            "rules[0].when.adapter",
            "did you mean \"tone\"?",
        ),
    ];
    for (text, key, part) in rows {
        let text = format!("[[models]]\nname = \"m\"\n{text}\n");
        let error = Script::from_toml(&text, "script").expect_err("it is wrong").to_string();
        assert!(error.contains(key) && error.contains(part), "{error}");
    }
}
