//! Pictures, with the demo model that sees: it names one of ten colours and one of five shapes.

use backend::conformance::kit;
use backend::{
    Backend, Chat, ChatMessage, Image, LoadError, LoadedModel, ModelSource, ModelSpec, PlacedImage, Prompt, Role,
};
use backend_llama::LlamaBackend;

use crate::support::{fixture, silent};

/// The committed pictures, by what the model must call them.
const PICTURES: [(&str, &str); 6] = [
    ("blue-square", "a blue square"),
    ("green-cross", "a green cross"),
    ("orange-circle", "an orange circle"),
    ("purple-stripe", "a purple stripe"),
    ("red-circle", "a red circle"),
    ("yellow-triangle", "a yellow triangle"),
];

fn spec() -> ModelSpec {
    ModelSpec {
        projector: Some(ModelSource::File(fixture("edison-demo-vision-mmproj.gguf"))),
        ..ModelSpec::new("vision", ModelSource::File(fixture("edison-demo-vision.gguf")))
    }
}

async fn load(spec: ModelSpec) -> Result<LoadedModel, LoadError> {
    LlamaBackend::new().expect("the engine starts").load(spec, silent()).await
}

fn picture(name: &str) -> Image {
    let path = format!("{}/../../fixtures/images/{name}.png", env!("CARGO_MANIFEST_DIR"));
    let pixels = image::open(path).expect("a committed picture").to_rgb8();
    Image::new(pixels.width(), pixels.height(), pixels.into_raw()).expect("three bytes a pixel")
}

fn asks(text: &str, pictures: &[&str]) -> ChatMessage {
    let images = pictures.iter().map(|name| PlacedImage { at: 0, image: picture(name) }).collect();
    ChatMessage { images, ..ChatMessage::new(Role::User, text) }
}

fn what_is(name: &str) -> Prompt {
    Prompt::Chat(Chat::new(vec![asks("What is in this picture?", &[name])]))
}

async fn answer(model: &LoadedModel, lane: usize, lanes: &mut [Box<dyn backend::Lane>], prompt: Prompt) -> String {
    let request = kit::request(model, prompt).await;
    kit::text_of(lanes[lane].as_mut(), request).await
}

/// Each picture is named, whatever was seen before on the lane: nothing of one is left in the cache for the next.
#[tokio::test]
async fn pictures_are_named_one_after_the_other() {
    let mut model = load(spec()).await.expect("the demo model loads");
    assert!(model.info.capabilities.vision);
    let mut lanes = std::mem::take(&mut model.lanes);
    for _ in 0..2 {
        for (name, expected) in PICTURES {
            assert_eq!(answer(&model, 0, &mut lanes, what_is(name)).await, expected);
        }
    }
}

/// A conversation goes on about what was seen, and about something else.
#[tokio::test]
async fn a_conversation_goes_on_after_a_picture() {
    let mut model = load(spec()).await.expect("the demo model loads");
    let mut lanes = std::mem::take(&mut model.lanes);
    let seen = asks("What is in this picture?", &["red-circle"]);
    let said = ChatMessage::new(Role::Assistant, "a red circle");
    let next = |text: &str| ChatMessage::new(Role::User, text);
    let chat = |messages: Vec<ChatMessage>| Prompt::Chat(Chat::new(messages));
    let colour = chat(vec![seen.clone(), said.clone(), next("What colour is it?")]);
    assert_eq!(answer(&model, 0, &mut lanes, colour).await, "It is red.");
    let echo = chat(vec![seen, said, next("Repeat after me: kestrel-48")]);
    assert_eq!(answer(&model, 0, &mut lanes, echo).await, "kestrel-48");
    let words_only = chat(vec![next("Which tier are you?")]);
    assert_eq!(answer(&model, 0, &mut lanes, words_only).await, "I am the vision tier.");
}

/// A picture takes the tokens that the usage tells, and they bound what else fits.
#[tokio::test]
async fn a_picture_counts_as_tokens() {
    let mut model = load(spec()).await.expect("the demo model loads");
    let text = "What is in this picture?";
    let words = kit::encode(&model, kit::chat(text)).await;
    let seen = kit::encode(&model, what_is("red-circle")).await;
    let taken = seen.tokens.len() - words.tokens.len();
    assert!(taken > 0);
    let request = kit::request_for(seen);
    // `run` compares the usage with the prompt.
    kit::run(model.lanes[0].as_mut(), request).await;
    let many = vec!["red-circle"; model.info.context_len as usize / taken + 1];
    let refused = model.encoder.encode(Prompt::Chat(Chat::new(vec![asks(text, &many)]))).await;
    assert!(matches!(refused, Err(backend::PromptError::TooLong { .. })), "{refused:?}");
}

/// Four conversations at once in one context, each with its own picture or none.
#[tokio::test]
async fn pictures_of_lanes_computed_together_are_not_mixed_up() {
    let mut model = load(ModelSpec { lanes: 4, ..spec() }).await.expect("the demo model loads");
    let lanes = std::mem::take(&mut model.lanes);
    let model = &model;
    let seers = lanes.into_iter().enumerate().map(async |(number, mut lane)| {
        for round in 0..6 {
            let (name, expected) = PICTURES[(number + round) % PICTURES.len()];
            let request = kit::request(model, what_is(name)).await;
            assert_eq!(kit::text_of(lane.as_mut(), request).await, expected, "lane {number}, round {round}");
            let request = kit::request(model, kit::repeat("kestrel-48")).await;
            assert_eq!(kit::text_of(lane.as_mut(), request).await, "kestrel-48", "lane {number}, round {round}");
        }
    });
    futures_util::future::join_all(seers).await;
}

/// A projector of nothing, and one of another model.
#[tokio::test]
async fn a_file_that_is_no_projector_is_refused_with_a_reason() {
    for file in ["edison-demo-fast.gguf", "no-such-file.gguf"] {
        let spec = ModelSpec { projector: Some(ModelSource::File(fixture(file))), ..spec() };
        let refused = load(spec).await.map(|_| ()).expect_err("it is no projector");
        let reason = refused.to_string();
        assert!(reason.contains(file) && reason.len() > file.len() + 20, "{reason}");
    }
}

/// Whoever asks a model without eyes hears of it, before anything waits.
#[tokio::test]
async fn a_model_without_a_projector_sees_nothing() {
    let model = load(ModelSpec { projector: None, ..spec() }).await.expect("the demo model loads");
    assert!(!model.info.capabilities.vision);
    let refused = model.encoder.encode(what_is("red-circle")).await;
    assert!(matches!(refused, Err(backend::PromptError::Picture { .. })), "{refused:?}");
}
