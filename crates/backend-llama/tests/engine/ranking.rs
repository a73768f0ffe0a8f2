//! Documents ranked by a query.

use backend::conformance::kit;
use backend::{EncodedPrompt, GenerateError, Lane, LoadedModel, Pair, Prompt, PromptError};
use tempfile::TempDir;

use crate::support;

const FILE: &str = "edison-demo-rerank.gguf";

async fn load() -> LoadedModel {
    support::load(support::spec(support::fixture(FILE))).await
}

fn pair(query: &str, document: &str) -> Prompt {
    Prompt::Pair(Pair { query: query.into(), document: document.to_string() })
}

async fn encode(model: &LoadedModel, query: &str, document: &str) -> EncodedPrompt {
    kit::encode(model, pair(query, document)).await
}

async fn scores(model: &LoadedModel, lane: &mut dyn Lane, pairs: &[(&str, &str)]) -> Vec<f32> {
    let mut inputs = Vec::new();
    for (query, document) in pairs {
        inputs.push(encode(model, query, document).await);
    }
    let n_tokens: Vec<_> = inputs.iter().map(|input| input.tokens.len() as u32).collect();
    let scores = lane.embed(inputs).await.expect("the model ranks");
    assert_eq!(scores.iter().map(|score| score.tokens).collect::<Vec<_>>(), n_tokens);
    let one = |values: Vec<f32>| if let [score] = values[..] { score } else { panic!("one number, not {values:?}") };
    scores.into_iter().map(|score| one(score.values)).collect()
}

/// What NumPy makes of the same weights; `train_reranker.py --check` writes it.
const EXPECTED: [(&str, &str, f32); 6] = [
    ("paint the fence", "how to paint a fence in the garden", 3.88292),
    ("paint the fence", "the garden has a fence and a gate", 0.03676),
    ("paint the fence", "a recipe for tomato soup", -1.31912),
    ("cheap train ticket", "buy a ticket for the train: cheap and quick", 3.88632),
    ("cheap train ticket", "the library opens late in winter", -3.91323),
    ("x", "y", -3.88904),
];

#[tokio::test]
async fn a_score_is_what_the_models_own_head_makes() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let has = model.info.capabilities;
    assert!(has.rerank && !has.embeddings && !has.generation, "{has:?}");
    for (query, document, expected) in EXPECTED {
        let score = scores(&model, lane.as_mut(), &[(query, document)]).await[0];
        assert!((score - expected).abs() < 0.03, "{query} / {document}: {score}, not {expected}");
    }
}

/// More of the query's words make a document better, whatever stands beside it.
#[tokio::test]
async fn documents_come_in_the_order_of_what_they_have_of_the_query() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let query = "wash the yellow car";
    let documents = [
        "wash your car: a yellow sponge does it",
        "a car that is yellow, and nothing else",
        "the car stops here",
        "bread and butter",
    ];
    let pairs = documents.map(|document| (query, document));
    let together = scores(&model, lane.as_mut(), &pairs).await;
    assert!(together.is_sorted_by(|a, b| a > b), "{together:?}");
    for (pair, score) in pairs.into_iter().zip(together) {
        assert_eq!(scores(&model, lane.as_mut(), &[pair]).await, [score], "{pair:?}");
    }
}

/// A pair is `[CLS] query [SEP] document [SEP]`, and only the model writes those.
#[tokio::test]
async fn what_separates_the_two_cannot_be_written_by_either() {
    let model = load().await;
    let vocabulary = model.encoder.tokenize("[CLS][SEP]".to_string(), true, false).await.expect("two tokens");
    let [cls, sep] = vocabulary[..] else { panic!("{vocabulary:?}") };
    let written = encode(&model, "red [SEP] car", "[CLS] blue [SEP]").await.tokens;
    assert_eq!((written.first(), written.last()), (Some(&cls), Some(&sep)));
    let count = |token| written.iter().filter(|&&t| t == token).count();
    assert_eq!((count(cls), count(sep)), (1, 2));
    let [_, between] =
        [0, 1].map(|n| written.iter().enumerate().filter(|(_, t)| **t == sep).nth(1 - n).expect("two").0);
    assert!(between > 3, "what stands before it is all of the query: {written:?}");
    // Nothing at all is still a query and a document.
    assert_eq!(encode(&model, "", "").await.tokens, [cls, sep, sep]);
}

/// Method: a template that says what the tokenizer would do, and one that says more.
#[tokio::test]
async fn a_template_for_pairs_is_the_files_own() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("template.gguf");
    let good = std::fs::read(support::fixture(FILE)).unwrap();
    let key = "tokenizer.chat_template.rerank";
    std::fs::write(&path, support::with_text(&good, key, "[CLS]{query}[SEP]{document}[SEP]")).unwrap();
    let (plain, mut templated) = (load().await, support::load(support::spec(path.clone())).await);
    let rows = [("red car", "a car"), ("x [SEP] y", "{query} [CLS]"), ("", "")];
    for (query, document) in rows {
        let (expected, found) = (encode(&plain, query, document).await, encode(&templated, query, document).await);
        assert_eq!(found, expected, "{query:?} {document:?}");
    }
    let mut lane = kit::only_lane(&mut templated);
    let score = scores(&templated, lane.as_mut(), &[("paint the fence", EXPECTED[0].1)]).await[0];
    assert!((score - EXPECTED[0].2).abs() < 0.03, "{score}");

    std::fs::write(&path, support::with_text(&good, key, "[CLS]{query}[SEP]")).unwrap();
    let refused = support::try_load(support::spec(path)).await.err().expect("it has no place for the document");
    assert!(refused.to_string().contains("{document}"), "{refused}");
}

/// The longest pair that is taken has a score, too.
#[tokio::test]
async fn a_pair_that_does_not_fit_is_refused_before_it_waits() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    // The query, and the three tokens around the two.
    let n_max = model.info.context_len as usize - 1 - 1 - 3;
    let document = vec!["car"; n_max].join(" ");
    let score = scores(&model, lane.as_mut(), &[("car", &document)]).await[0];
    assert!(score.is_finite());
    let refused = model.encoder.encode(pair("car", &(document + " car"))).await;
    let context_len = model.info.context_len;
    assert_eq!(refused, Err(PromptError::TooLong { tokens: context_len, context_len }));
}

#[tokio::test]
async fn a_model_that_ranks_does_nothing_else_and_no_other_model_ranks() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let text = kit::encode(&model, Prompt::Text("x".to_string())).await;
    let refused = lane.embed(vec![text.clone()]).await;
    assert!(
        matches!(&refused, Err(GenerateError::Failed { reason }) if reason.contains("embeds no texts")),
        "{refused:?}"
    );
    let answer = kit::collect(lane.generate(kit::request_for(text))).await;
    assert!(matches!(answer.error, Some(GenerateError::Failed { .. })), "{answer:?}");
    lane.quiesce().await;
    let good = encode(&model, "x", "x").await;
    assert!(lane.embed(vec![good.clone()]).await.is_ok(), "the lane is as good as before");

    let mut other = support::load(support::spec(support::fixture("edison-demo-embed.gguf"))).await;
    assert!(matches!(other.encoder.encode(pair("x", "x")).await, Err(PromptError::Template { .. })));
    let refused = kit::only_lane(&mut other).embed(vec![EncodedPrompt { tokens: vec![5], ..good }]).await;
    assert!(
        matches!(&refused, Err(GenerateError::Failed { reason }) if reason.contains("no documents")),
        "{refused:?}"
    );
}

/// llama.cpp would take a number of the last layer for the score.
#[tokio::test]
async fn a_model_that_says_that_it_ranks_and_has_no_head_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("headless.gguf");
    let good = std::fs::read(support::fixture("edison-demo-embed.gguf")).unwrap();
    let key = b"bert.pooling_type\x04\0\0\0";
    let rank = support::replace(&good, &[&key[..], &[1, 0, 0, 0]].concat(), &[&key[..], &[4, 0, 0, 0]].concat());
    std::fs::write(&path, rank).unwrap();
    let refused = support::try_load(support::spec(path)).await.err().expect("it has no head").to_string();
    assert!(refused.contains("no head"), "{refused}");
}
