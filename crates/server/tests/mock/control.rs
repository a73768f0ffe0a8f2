//! Steering the mock while it runs.

use http::Method;
use serde_json::json;

use crate::support::{ask, journal, mock, send};

#[tokio::test(start_paused = true)]
async fn a_reset_begins_from_the_start() {
    let mock = mock("[[rules]]\nreply = [\"one\", \"two\"]\n");
    assert_eq!(ask(&mock, "x").await.content(), "one");
    assert_eq!(ask(&mock, "x").await.content(), "two");
    assert_eq!(send(&mock, Method::POST, "/mock/reset", &[], String::new()).await.status, 204);
    assert_eq!(ask(&mock, "x").await.content(), "one");
    let journal = journal(&mock, "", &[]).await;
    assert_eq!(journal["requests"].as_array().map(Vec::len), Some(1));
    assert_eq!(journal["requests"][0]["ticket"], 1);
}

/// As whatever else is refused, and not in the words of the framework alone.
#[tokio::test(start_paused = true)]
async fn what_the_control_routes_do_not_take_is_refused_in_words() {
    let mock = mock("");
    let refused = send(&mock, Method::GET, "/mock/journal?settle_ms=soon", &[], String::new()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["detail"].as_str().is_some_and(|why| why.contains("settle_ms")));
    let other = send(&mock, Method::POST, "/mock/journal", &[], String::new()).await;
    assert!(other.status == 405 && other.json()["detail"].is_string());
}

#[tokio::test(start_paused = true)]
async fn another_script_can_have_other_models_and_a_bad_one_changes_nothing() {
    let mock = mock("");
    let other = "[[models]]\nname = \"gpt-test\"\nreply = \"I am another.\"\n".to_owned();
    assert_eq!(send(&mock, Method::POST, "/mock/script", &[], other).await.status, 204);
    let models = send(&mock, Method::GET, "/v1/models", &[], String::new()).await.json();
    assert_eq!(models["data"][0]["id"], json!("gpt-test"));
    let bad = "[[models]]\nname = \"m\"\n[[rules]]\nwehn = {}\nreply = \"x\"\n".to_owned();
    let refused = send(&mock, Method::POST, "/mock/script", &[], bad).await;
    assert_eq!(refused.status, 400);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "script:4: rules[0].wehn: unknown key; did you mean \"when\"?");
    let models = send(&mock, Method::GET, "/v1/models", &[], String::new()).await.json();
    assert_eq!(models["data"][0]["id"], json!("gpt-test"), "the one before goes on");
}
