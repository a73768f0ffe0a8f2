//! Calls for embeddings, as far as a script decides about them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::mock::Mock;
use tokio::time::Instant;

use crate::support::{Answer, journal, mock, send};

async fn embed(mock: &Mock, input: &Value) -> Answer {
    let body = json!({"model": "fast", "input": input});
    send(mock, Method::POST, "/v1/embeddings", &[], body.to_string()).await
}

/// S7: a panic under the lease fails the request in hand, its lane is rebuilt, and the next one is served.
#[tokio::test(start_paused = true)]
async fn an_engine_that_panics_over_embeddings_fails_that_call_alone() {
    let mock = mock("[[faults]]\ncalls = [2]\nfault = { panic_after = 3 }\n");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(embed(&mock, &json!("x")).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 500, 200]);
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    let outcomes: Vec<&Value> =
        journal["requests"].as_array().unwrap().iter().map(|request| &request["outcome"]).collect();
    assert_eq!(outcomes, ["finished", "failed", "finished"]);
    assert_eq!(journal["overlaps"], 0);
}

/// Method: whoever asks next waits for as many tokens as the engine makes after its client has left.
#[tokio::test(start_paused = true)]
async fn an_engine_that_ignores_the_cancel_of_embeddings_holds_its_lane() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\nprefill_per_token = \"100ms\"\ntime_per_token = \"10ms\"\n\
         [[faults]]\ncalls = [1]\nfault = { ignore_cancel_for = 50 }\n",
    );
    let words = json!("some words");
    let left = tokio::time::timeout(Duration::from_millis(35), embed(&mock, &words));
    left.await.expect_err("it goes on for longer");
    let begun = Instant::now();
    assert_eq!(embed(&mock, &json!("x")).await.status, 200);
    let waited = begun.elapsed();
    assert!((Duration::from_millis(590)..Duration::from_millis(630)).contains(&waited), "{waited:?}");
}
