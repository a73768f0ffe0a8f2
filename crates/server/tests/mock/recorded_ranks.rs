//! Rankings that are recorded: what `top_n` left out takes nothing from what was told.

use std::fs::read_to_string;

use http::Method;
use serde_json::{Value, json};
use server::mock::{Mock, MockServer, Script};

use crate::recording::{over_tcp, recorder};
use crate::support::send;

const UPSTREAM: &str = r#"
    [[rules]]
    when = { rerank = true, user = "a" }
    reply = { score = 1.0 }
    [[rules]]
    when = { rerank = true, user = "b" }
    reply = { score = 2.0 }
    [[rules]]
    when = { rerank = true, user = "c" }
    reply = { score = -1.0 }
"#;

/// Documents in full and by the best of them, in both orders, and one text twice; "d" is never told.
fn requests() -> Vec<String> {
    let rank = |documents: &[&str], top_n: u32| {
        json!({"model": "fast", "query": "q", "documents": documents, "top_n": top_n}).to_string()
    };
    vec![
        rank(&["a", "b"], 2),
        rank(&["a", "b"], 1),
        rank(&["c", "b"], 1),
        rank(&["d", "b"], 1),
        rank(&["c", "a"], 1),
        rank(&["d", "a"], 1),
        rank(&["a", "c"], 2),
        rank(&["b", "b", "a"], 1),
    ]
}

/// Method: a mock is recorded, and the recording is played twice. The second time, each rule gives its last reply.
#[tokio::test]
async fn rankings_are_played_twice_as_they_were_told() {
    let upstream = MockServer::start(Script::from_toml(UPSTREAM, "upstream").unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.toml");
    let (address, mut program) = recorder(&upstream.base_url(), &file, None);
    let mut told = Vec::new();
    for body in requests() {
        let answer = over_tcp(&address, "/v1/rerank", "r", &body).await;
        let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        told.push(serde_json::from_str::<Value>(json).unwrap()["results"].clone());
    }
    program.kill().unwrap();
    program.wait().unwrap();

    let recorded = read_to_string(&file).unwrap();
    let mock = Mock::new(Script::from_toml(&recorded, "recorded").unwrap().without_timing()).unwrap();
    for time in ["first", "second"] {
        for (body, told) in requests().into_iter().zip(&told) {
            let played = send(&mock, Method::POST, "/v1/rerank", &[], body.clone()).await;
            assert_eq!(&played.json()["results"], told, "{time} time, {body}\n{recorded}");
        }
    }
    assert_eq!(recorded.matches("name = \"left out by top_n\"").count(), 1, "only \"d\": {recorded}");
}
