//! Embeddings over the wire.

use backend::Capabilities;
use serde_json::{Value, json};

use super::fake::Fake;
use super::support::{Answer, Server};

async fn ask(fake: &Fake, body: &Value) -> Answer {
    Server::playing(fake).await.connect().post("/v1/embeddings", "", body).await
}

/// The engine answers with the number of tokens, and one.
#[tokio::test(start_paused = true)]
async fn every_input_has_its_vector_in_the_form_that_was_asked_for() {
    let fake = Fake::saying(&[]);
    let answer = ask(&fake, &json!({"model": "fast", "input": ["abc", "d"]})).await;
    assert!(answer.head.contains("x-edison-ticket: 1"), "{}", answer.head);
    let object =
        |index: usize, embedding: Value| json!({"object": "embedding", "index": index, "embedding": embedding});
    let expected = json!({
        "object": "list",
        "data": [object(0, json!([3.0, 1.0])), object(1, json!([1.0, 1.0]))],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    });
    assert_eq!(answer.json(), expected);
    // 3.0 and 1.0 as little-endian floats.
    let fields = json!({"model": "m", "input": [97, 98, 99], "encoding_format": "base64", "dimensions": 2});
    assert_eq!(ask(&fake, &fields).await.json()["data"][0]["embedding"], "AABAQAAAgD8=");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_a_400_that_names_the_field() {
    let fake = Fake::saying(&[]);
    let without = Fake { capabilities: Capabilities::default(), ..fake.clone() };
    let rows = [
        (&fake, json!({"input": "a", "dimensions": 3}), "dimensions"),
        (&fake, json!({"input": ""}), "input"),
        (&fake, json!({"input": "x".repeat(64)}), "input"),
        (&fake, json!({"input": [[97], [256]]}), "input"),
        (&without, json!({"input": "a"}), "model"),
    ];
    for (fake, mut body, param) in rows {
        body["model"] = json!("m");
        let answer = ask(fake, &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)), "{answer:?}");
    }
}
