//! Documents that are ranked, as far as a script decides about them.

use http::Method;
use serde_json::{Value, json};
use server::mock::{Mock, Script};

use crate::support::{Answer, ask, journal, mock, send};

async fn rank(mock: &Mock, documents: &Value) -> Answer {
    let body = json!({"model": "fast", "query": "the weather in Paris", "documents": documents});
    send(mock, Method::POST, "/v1/rerank", &[], body.to_string()).await
}

fn order(answer: &Answer) -> Vec<u64> {
    let results = answer.json()["results"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    results.iter().map(|result| result["index"].as_u64().unwrap()).collect()
}

/// Without a rule a document is scored by the words that it shares with the query; a rule says the score of one.
#[tokio::test(start_paused = true)]
async fn documents_are_scored_by_their_words_or_by_a_rule() {
    let documents = json!(["quarterly tax report", "weather of Paris", "a walk in Paris"]);
    assert_eq!(order(&rank(&mock(""), &documents).await), [1, 2, 0]);
    let script = "
        [[rules]]
        name = \"everything else\"
        reply = \"text\"
        [[rules]]
        name = \"taxes\"
        when = { rerank = true, user_contains = \"tax\", system_contains = \"weather\" }
        reply = [{ score = 2.5 }, { fault = { status = 503 } }]
    ";
    let lenient = mock(script);
    let answer = rank(&lenient, &documents).await;
    assert_eq!(order(&answer), [0, 1, 2]);
    assert_eq!(answer.json()["results"][0]["relevance_score"], 2.5);
    assert_eq!(rank(&lenient, &documents).await.status, 503);
    let journal = journal(&lenient, "?settle_ms=1000", &[]).await;
    let row = &journal["requests"][0];
    assert_eq!([&row["path"], &row["rule"], &row["outcome"]], ["/v1/rerank", "taxes", "finished"]);
    assert_eq!(journal["overlaps"], 0);
    let strict = mock(&format!("strict = true\n{script}"));
    let refused = rank(&strict, &json!(["bread"])).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("the closest is rule 2 \\\"taxes\\\""), "{}", refused.text);
}

#[tokio::test(start_paused = true)]
async fn a_model_may_rank_and_do_nothing_else() {
    let mock = mock("[[models]]\nname = \"fast\"\nwithout = [\"generation\", \"embeddings\"]\n");
    assert_eq!(ask(&mock, "hi").await.status, 400);
    assert_eq!(rank(&mock, &json!(["a"])).await.status, 200);
}

#[test]
fn a_rule_for_documents_gives_a_score_and_no_other_does() {
    for (rule, part) in [
        ("reply = { score = 1.0 }", "rules[0].reply.score: needs `rerank = true`"),
        ("when = { embedding = true }\nreply = { score = 1.0 }", "rules[0].reply.score: needs `rerank = true`"),
        ("when = { rerank = true }\nreply = { embedding = [1.0] }", "rules[0].reply.embedding: needs `embedding"),
        ("when = { rerank = true }\nreply = \"x\"", "rules[0].reply.text: is no reply to documents"),
        ("when = { rerank = true, turn = 1 }\nreply = { score = 1.0 }", "rules[0].when.turn: is of other requests"),
        (
            "when = { rerank = true, embedding = true }\nreply = { embedding = [1.0] }",
            "rules[0].when.rerank: is of other",
        ),
        ("when = { rerank = true }\nreply = { score = nan }", "must be a finite number"),
        ("when = { rerank = true }\nreply = { finish = \"stop\" }", "rules[0].reply: says nothing; give score"),
    ] {
        let error = Script::from_toml(&format!("[[rules]]\n{rule}\n"), "s").expect_err("it is wrong").to_string();
        assert!(error.contains(part), "{rule}: {error}");
    }
}
