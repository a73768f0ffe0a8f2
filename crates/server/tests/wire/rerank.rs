//! Documents ranked over the wire.

use backend::Capabilities;
use serde_json::{Value, json};

use super::fake::Fake;
use super::support::{Answer, Server};

async fn ask(fake: &Fake, path: &str, body: &Value) -> Answer {
    Server::playing(fake).await.connect().post(path, "", body).await
}

/// The engine scores a pair with its number of tokens, and one stands between query and document.
#[tokio::test(start_paused = true)]
async fn the_best_document_comes_first_under_every_name_of_the_path() {
    let fake = Fake::saying(&[]);
    let documents = json!(["b", {"text": "three"}, "four", "d"]);
    for path in ["/v1/rerank", "/rerank", "/reranking"] {
        let answer = ask(&fake, path, &json!({"model": "fast", "query": "q", "documents": documents})).await;
        assert!(answer.head.contains("x-edison-ticket: 1"), "{}", answer.head);
        let result = |index: usize, score: f64| json!({"index": index, "relevance_score": score});
        let expected = json!({
            "object": "list",
            "model": "m",
            "results": [result(1, 7.0), result(2, 6.0), result(0, 3.0), result(3, 3.0)],
            "usage": {"prompt_tokens": 19, "total_tokens": 19},
        });
        assert_eq!(answer.json(), expected, "{path}");
    }
    let fields = json!({"model": "m", "query": "q", "documents": documents, "top_n": 2, "return_documents": true});
    let answer = ask(&fake, "/v1/rerank", &fields).await.json();
    let texts: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| &result["document"]).collect();
    assert_eq!(texts, [&json!({"text": "three"}), &json!({"text": "four"})]);
    assert_eq!(answer["usage"]["prompt_tokens"], 19, "all were computed");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_ranked_is_a_400_that_names_the_field() {
    let fake = Fake::saying(&[]);
    let without = Fake { capabilities: Capabilities { rerank: false, ..Capabilities::ALL }, ..fake.clone() };
    let long = "x".repeat(64);
    let rows = [
        (&fake, json!([]), "documents", "at least one"),
        (
            &fake,
            json!(["a", long, "b"]),
            "documents",
            "documents[1]: the prompt has 66 tokens and the context holds 64",
        ),
        (&fake, json!([long]), "documents", "shorten the documents"),
        (&without, json!(["a"]), "model", "it is no reranker"),
    ];
    for (fake, documents, param, part) in rows {
        let answer = ask(fake, "/v1/rerank", &json!({"model": "m", "query": "q", "documents": documents})).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"]), (400, &json!(param)), "{answer:?}");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
}

/// What a model cannot do is refused by name, and told by the listing.
#[tokio::test(start_paused = true)]
async fn a_reranker_refuses_to_answer_and_to_embed_and_says_what_it_can() {
    let ranks = Capabilities { generation: false, rerank: true, ..Capabilities::default() };
    let server = Server::playing(&Fake { capabilities: ranks, ..Fake::saying(&["a"]) }).await;
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let rows = [
        ("/v1/chat/completions", chat, "has no answers"),
        ("/v1/completions", json!({"model": "m", "prompt": "hi"}), "has no answers"),
        ("/v1/embeddings", json!({"model": "m", "input": "hi"}), "has no embeddings"),
    ];
    for (path, body, part) in rows {
        let answer = server.connect().post(path, "", &body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"]), (400, &json!("model")), "{path}: {answer:?}");
        assert!(error["message"].as_str().unwrap().contains(part), "{path}: {error}");
    }
    let listed = Answer::read(&server.connect().ask("GET", "/v1/models/m").await).json();
    assert_eq!(listed["capabilities"], json!(["rerank"]));
}
