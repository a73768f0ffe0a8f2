//! Tests that share a server.

use http::Method;
use serde_json::json;

use crate::support::{ask, chat, journal, mock, post, send};

const A: &[(&str, &str)] = &[("x-test-id", "a")];
const B: &[(&str, &str)] = &[("x-test-id", "b")];

#[tokio::test(start_paused = true)]
async fn each_test_counts_its_own_calls_and_sequences() {
    let mock =
        mock("[[rules]]\nreply = [\"one\", \"two\", \"three\"]\n[[faults]]\ncalls = [2]\nfault = { fail = true }\n");
    let mut seen = Vec::new();
    for headers in [A, A, B, A, B, &[]] {
        let answer = post(&mock, headers, &chat("x")).await;
        seen.push(if answer.status == 200 { answer.content() } else { answer.status.as_u16().to_string() });
    }
    assert_eq!(seen, ["one", "500", "one", "three", "500", "one"]);
    let of = |journal: serde_json::Value| journal["requests"].as_array().map(Vec::len);
    assert_eq!(of(journal(&mock, "", A).await), Some(3));
    assert_eq!(of(journal(&mock, "", B).await), Some(2));
    assert_eq!(of(journal(&mock, "", &[]).await), Some(6));

    send(&mock, Method::POST, "/mock/reset", A, String::new()).await;
    assert_eq!(of(journal(&mock, "", A).await), Some(0));
    assert_eq!(post(&mock, A, &chat("x")).await.content(), "one");
    assert_eq!(post(&mock, B, &chat("x")).await.content(), "three", "the other test goes on");
}

#[tokio::test(start_paused = true)]
async fn a_test_can_have_rules_of_its_own() {
    let mock = mock("[[rules]]\nreply = \"everybody's\"\n");
    let own = json!({ "strict": true, "rules": [{ "when": { "user": "q" }, "reply": "a's own" }] }).to_string();
    let json = [A[0], ("content-type", "application/json")];
    assert_eq!(send(&mock, Method::POST, "/mock/script", &json, own).await.status, 204);
    assert_eq!(post(&mock, A, &chat("q")).await.content(), "a's own");
    assert_eq!(post(&mock, A, &chat("other")).await.status, 400);
    assert_eq!(post(&mock, B, &chat("q")).await.content(), "everybody's");
    assert_eq!(ask(&mock, "q").await.content(), "everybody's");

    let models = "[[models]]\nname = \"other\"\n".to_owned();
    let refused = send(&mock, Method::POST, "/mock/script", A, models).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("the rest is everybody's"), "{}", refused.text);
}

/// Method: a name that is used again while the first request is under way; each gets its own answer and its own note.
#[tokio::test(start_paused = true)]
async fn two_requests_with_one_id_are_not_taken_for_each_other() {
    let mock = mock(
        "[[models]]\nname = \"fast\"\ntime_per_token = \"10ms\"\nlanes = 2\n[[rules]]\nwhen = { user = \"bad\" }\n\
         reply = { fault = { status = 418 } }\n[[rules]]\nreply = \"long enough to be under way\"\n",
    );
    let id = [("x-request-id", "same")];
    let (good_body, bad_body) = (chat("good"), chat("bad"));
    let (good, bad) = tokio::join!(post(&mock, &id, &good_body), async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        post(&mock, &id, &bad_body).await
    });
    assert_eq!(good.content(), "long enough to be under way");
    assert_eq!(bad.status, 418);
    for answer in [&good, &bad] {
        assert_eq!(answer.headers["x-request-id"], "same");
    }
}
