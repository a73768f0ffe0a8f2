//! What the journal shows.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ask, chat, journal, mock, post, send};

#[tokio::test(start_paused = true)]
async fn requests_are_there_in_order_with_ticket_wait_and_rule() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\nbytes_per_token = 1\ntime_per_token = \"10ms\"\n\
         [[rules]]\nname = \"three\"\nwhen = { user_contains = \"go\" }\nreply = \"abc\"\n",
    );
    let asks = (0..3).map(|n| {
        let mock = mock.clone();
        async move { post(&mock, &[("x-request-id", &format!("r{n}"))], &chat(&format!("go {n}"))).await.content() }
    });
    assert_eq!(futures_util::future::join_all(asks).await, ["abc", "abc", "abc"]);
    let journal = journal(&mock, "", &[]).await;
    assert_eq!(journal["overlaps"], 0);
    let of = |key: &str| -> Vec<Value> {
        journal["requests"].as_array().unwrap().iter().map(|request| request[key].clone()).collect()
    };
    assert_eq!(of("request_id"), ["r0", "r1", "r2"]);
    assert_eq!(of("ticket"), [1, 2, 3]);
    assert_eq!(of("waited_ms"), [0.0, 40.0, 80.0]);
    assert_eq!(of("rule"), ["three", "three", "three"]);
    assert_eq!(of("call"), [1, 2, 3]);
    assert_eq!(of("outcome"), ["finished", "finished", "finished"]);
    assert_eq!(of("answered"), [true, true, true]);
    assert_eq!(of("status"), [200, 200, 200]);
    assert_eq!(of("body")[1]["messages"][0]["content"], "go 1");
    let grants = journal["grants"].as_array().unwrap();
    let pairs: Vec<(&Value, &Value)> =
        grants.iter().map(|grant| (&grant["request_id"], &grant["released_ms"])).collect();
    assert_eq!(pairs[1], (&json!("r1"), &json!(80.0)));
}

/// Method: a client leaves while it waits, one in the middle of its prompt, and one in the middle of its answer.
#[tokio::test(start_paused = true)]
async fn the_phase_in_which_a_client_left_is_told() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\nprefill_per_token = \"10ms\"\ntime_per_token = \"100ms\"\nbytes_per_token = 1\n",
    );
    let leave = |after: u64, text: &'static str| {
        let mock = mock.clone();
        async move {
            let asked = tokio::time::timeout(Duration::from_millis(after), ask(&mock, text)).await;
            asked.expect_err("it takes longer");
        }
    };
    // 25 tokens of prompt take 250 ms.
    leave(100, "Count from 1 to 2000000").await;
    tokio::join!(leave(900, "Count from 1 to 2000000"), leave(500, "x"));
    let journal = journal(&mock, "?settle_ms=5000", &[]).await;
    let requests = journal["requests"].as_array().unwrap();
    let seen: Vec<(&Value, &Value)> = requests.iter().map(|request| (&request["outcome"], &request["phase"])).collect();
    let cancelled = json!("cancelled");
    let phases = [json!("prefill"), json!("decode"), json!("waiting")];
    assert_eq!(seen, [(&cancelled, &phases[0]), (&cancelled, &phases[1]), (&cancelled, &phases[2])]);
    assert_eq!(requests[2]["ticket"], Value::Null);
    assert!(requests.iter().all(|request| request["answered"] == false));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_before_the_queue_has_a_status_and_no_outcome() {
    let mock = mock("");
    let refused = send(&mock, Method::POST, "/v1/chat/completions", &[], "{".into()).await;
    assert_eq!(refused.status, 400);
    send(&mock, Method::GET, "/v1/models", &[], String::new()).await;
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    assert_eq!(journal["requests"].as_array().map(Vec::len), Some(1), "only what was posted");
    let request = &journal["requests"][0];
    assert_eq!((&request["status"], &request["outcome"], &request["body"]), (&json!(400), &Value::Null, &json!("{")));
}
