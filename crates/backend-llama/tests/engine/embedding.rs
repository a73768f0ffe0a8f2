//! Texts as vectors.

use backend::conformance::kit;
use backend::{EncodedPrompt, GenerateError, Lane, LoadedModel, Prompt};
use futures_util::FutureExt;

use crate::support;

async fn load() -> LoadedModel {
    support::load(support::spec(support::fixture("edison-demo-embed.gguf"))).await
}

async fn encode(model: &LoadedModel, text: &str) -> EncodedPrompt {
    kit::encode(model, Prompt::Text(text.to_string())).await
}

async fn vectors(model: &LoadedModel, lane: &mut dyn Lane, texts: &[&str]) -> Vec<Vec<f32>> {
    let mut inputs = Vec::new();
    for text in texts {
        inputs.push(encode(model, text).await);
    }
    let embeddings = lane.embed(inputs).await.expect("the model embeds");
    assert_eq!(embeddings.len(), texts.len());
    embeddings.into_iter().map(|embedding| embedding.values).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What NumPy makes of the same weights; `make_embedding_gguf.py --check` writes it.
const EXPECTED: [(&str, [f32; 32]); 2] = [
    (
        "a red circle",
        [
            -0.02886, 0.1431, 0.1067, -0.1449, 0.1949, -0.0308, -0.30232, -0.16824, 0.15468, -0.10085, 0.08505,
            0.00586, -0.2683, 0.10154, -0.12769, 0.11699, 0.07983, 0.06985, 0.13986, -0.09949, -0.06704, 0.46277,
            0.21108, 0.19234, -0.20169, 0.04376, -0.11037, -0.19101, 0.13027, -0.42728, -0.01534, 0.04562,
        ],
    ),
    (
        "a green dog and a cat",
        [
            0.07477, 0.16229, -0.2068, 0.01914, 0.26057, -0.0414, -0.26727, -0.08781, 0.12908, 0.02083, 0.24752,
            0.13797, -0.03256, 0.15361, 0.22736, -0.0463, -0.07864, -0.05792, -0.02695, -0.1603, -0.28637, 0.34586,
            0.1964, 0.07334, 0.03731, -0.03808, -0.01939, -0.02624, 0.0992, -0.38767, -0.39225, -0.02929,
        ],
    ),
];

/// The vector is the mean over all tokens, the two that a text begins and ends with included, each of which saw all others.
#[tokio::test]
async fn a_vector_is_what_the_models_own_pooling_makes() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    assert!(model.info.capabilities.embeddings);
    for (text, expected) in EXPECTED {
        let vector = vectors(&model, lane.as_mut(), &[text]).await.remove(0);
        let furthest = vector.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(vector.len() == 32 && furthest < 0.004, "{text}: {furthest} off, {vector:?}");
    }
}

#[tokio::test]
async fn vectors_have_length_one_and_do_not_depend_on_their_company() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let texts = ["a red circle", "the red circle", "a green dog and a cat", "x", "a red circle"];
    let together = vectors(&model, lane.as_mut(), &texts).await;
    for (text, vector) in texts.iter().zip(&together) {
        assert!((dot(vector, vector) - 1.0).abs() < 1e-5, "{text}: {vector:?}");
        assert_eq!(vectors(&model, lane.as_mut(), &[text]).await[0], *vector, "{text}");
    }
    let [red, the_red, green, ..] = together.as_slice() else { panic!("five texts") };
    assert!(dot(red, the_red) > dot(red, green) + 0.1, "words in common make texts alike");
}

/// The longest text that is taken has a vector too, and a longer one is refused before.
#[tokio::test]
async fn a_text_may_fill_the_context() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let n_max = model.info.context_len as usize - 1;
    let text = vec!["red"; n_max - 1].join(" ");
    let input = encode(&model, &text).await;
    assert_eq!(input.tokens.len(), n_max);
    let embedding = lane.embed(vec![input]).await.expect("it fits").remove(0);
    assert_eq!(embedding.tokens, model.info.context_len, "with the token that ends it");
    assert!(model.encoder.encode(Prompt::Text(text + " red")).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_embedded_fails_and_leaves_the_lane_usable() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let good = encode(&model, "x").await;
    let bad = |tokens: Vec<u32>| EncodedPrompt { tokens, ..good.clone() };
    for tokens in [vec![], vec![u32::MAX], vec![9; 4000]] {
        let refused = lane.embed(vec![good.clone(), bad(tokens)]).await;
        assert!(matches!(refused, Err(GenerateError::Failed { .. })), "{refused:?}");
    }
    assert_eq!(lane.embed(vec![]).await, Ok(vec![]));
    let answer = kit::collect(lane.generate(kit::request_for(good.clone()))).await;
    assert!(matches!(answer.error, Some(GenerateError::Failed { .. })), "{answer:?}");
    lane.quiesce().await;
    lane.reset().await.expect("a sound lane can be reset");
    assert!(lane.embed(vec![good]).await.is_ok());
}

/// Who leaves is not waited for, and nothing of it is left.
#[tokio::test]
async fn leaving_frees_the_lane() {
    let mut model = load().await;
    let mut lane = kit::only_lane(&mut model);
    let text = encode(&model, "a red circle").await;
    let many = vec![text.clone(); 10_000];
    assert!(lane.embed(many).now_or_never().is_none());
    lane.quiesce().await;
    assert_eq!(lane.embed(vec![text]).await.expect("the lane is as new").len(), 1);
}

/// A model that continues texts embeds none, unless its file says how.
#[tokio::test]
async fn a_model_that_does_not_say_how_embeds_nothing() {
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    assert!(!model.info.capabilities.embeddings);
    let text = encode(&model, "x").await;
    assert!(matches!(lane.embed(vec![text]).await, Err(GenerateError::Failed { .. })));
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A model that continues texts and says how it embeds them does both: the last token speaks for the text, however many
/// steps that takes.
#[tokio::test]
async fn a_model_can_do_both() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("both.gguf");
    let good = std::fs::read(support::fast()).unwrap();
    std::fs::write(&path, support::with_number(&good, "llama.pooling_type", 3)).unwrap();
    let mut model = support::load(support::spec(path)).await;
    let mut lane = kit::only_lane(&mut model);
    assert!(model.info.capabilities.embeddings);
    let texts = ["abc".repeat(100), "abc".repeat(100) + "x", "x".to_string(), "abc".repeat(100)];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = vectors(&model, lane.as_mut(), &texts).await;
    assert_eq!(vectors[0], vectors[3]);
    assert!(dot(&vectors[0], &vectors[1]) < 0.999 && dot(&vectors[1], &vectors[2]) < 0.999);
    kit::check_as_new(&model, lane.as_mut()).await;
}
