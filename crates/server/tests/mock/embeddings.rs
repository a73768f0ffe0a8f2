//! Calls for embeddings, as far as a script decides about them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::mock::{Mock, Script};
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

/// Each text is looked up by itself. What no rule has is made of the text, unless the script is strict.
#[tokio::test(start_paused = true)]
async fn a_rule_for_embeddings_gives_its_vector_in_its_time() {
    let script = "
        [[rules]]
        name = \"everything else\"
        reply = \"text\"
        [[rules]]
        name = \"calm\"
        when = { user = \"calm\", embedding = true }
        reply = [{ fault = { status = 503 } }, { embedding = [0.25, -1.0], prefill = \"2s\", usage = { prompt_tokens = 70 } }]
    ";
    let lenient = mock(script);
    assert_eq!(embed(&lenient, &json!(["x", "calm"])).await.status, 503);
    let begun = Instant::now();
    let answer = embed(&lenient, &json!(["calm", "x"])).await.json();
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(
        (&answer["data"][0]["embedding"], &answer["usage"]["prompt_tokens"]),
        (&json!([0.25, -1.0]), &json!(71))
    );
    assert_eq!(answer["data"][1]["embedding"].as_array().unwrap().len(), 64, "made of the text");
    let journal = journal(&lenient, "?settle_ms=1000", &[]).await;
    assert_eq!(journal["requests"][1]["rule"], "calm");
    let strict = mock(&format!("strict = true\n{script}"));
    let refused = embed(&strict, &json!("x")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("the closest is rule 2 \\\"calm\\\""), "{}", refused.text);
    // A script that has no rule for embeddings does not forbid them.
    assert_eq!(embed(&mock("strict = true\n"), &json!("x")).await.status, 200);
}

#[test]
fn a_rule_for_embeddings_says_nothing_of_conversations_and_no_other_has_a_vector() {
    let refused =
        |rule: &str| Script::from_toml(&format!("[[rules]]\n{rule}\n"), "s").expect_err("it is wrong").to_string();
    for (rule, part) in [
        ("reply = { embedding = [1.0] }", "s:2: rules[0].reply.embedding: needs `embedding = true`"),
        ("when = { embedding = true }\nreply = \"x\"", "rules[0].reply.text: is no reply to embeddings"),
        ("when = { embedding = true }\nreply = { finish = \"stop\" }", "rules[0].reply: says nothing; give embedding"),
        (
            "when = { embedding = true, turn = 1 }\nreply = { embedding = [1.0] }",
            "rules[0].when.turn: is of other requests",
        ),
        ("when = { embedding = true }\nreply = { embedding = [nan] }", "must have finite numbers"),
        ("reply = { embedding = [1.0], text = \"x\" }", "exclude each other"),
        ("reply = { reasoning = \"a\", reasoning_pieces = [[\"0s\", \"a\"]] }", "exclude each other"),
        ("reply = { tool_calls = [{ name = \"f\", arguments = {}, pieces = [[\"0s\", \"{}\"]] }] }", "give them once"),
    ] {
        let error = refused(rule);
        assert!(error.contains(part), "{rule}: {error}");
    }
}
