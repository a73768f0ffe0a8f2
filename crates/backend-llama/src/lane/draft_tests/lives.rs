//! Drafts in the life of a lane: pictures, adapters, what is saved, who leaves, what fails.

use std::sync::mpsc::channel;

use backend::conformance::kit;
use backend::{
    Adapter, AdapterSpec, Chat, ChatMessage, GenerateError, Image, Lane, ModelSource, ModelSpec, PlacedImage, Prompt,
    Role, Scale,
};

use super::twins::{ECHO, Twins};
use crate::engine::Fault;
use crate::testing;

fn fixture(name: &str) -> ModelSource {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models");
    ModelSource::File(std::path::Path::new(models).join(name))
}

/// What stands before a picture and behind it is drafted; a picture never is.
#[tokio::test]
async fn drafts_come_after_a_picture() {
    let projector = Some(fixture("edison-demo-vision-mmproj.gguf"));
    let spec = ModelSpec { projector, ..ModelSpec::new("vision", fixture("edison-demo-vision.gguf")) };
    let mut twins = Twins::load(spec).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/images/red-circle.png");
    let pixels = image::open(path).expect("a committed picture").to_rgb8();
    let image = Image::new(pixels.width(), pixels.height(), pixels.into_raw()).expect("three bytes a pixel");
    let images = vec![PlacedImage { at: 0, image }];
    let seen = ChatMessage { images, ..ChatMessage::new(Role::User, "What is in this picture?") };
    let said = ChatMessage::new(Role::Assistant, "a red circle");
    let mut accepted = 0;
    for text in ["kestrel-48", ECHO, "a red circle, a red circle, a red circle"] {
        let next = ChatMessage::new(Role::User, format!("Repeat after me: {text}"));
        let messages = vec![seen.clone(), said.clone(), next];
        let mut request = twins.request(Prompt::Chat(Chat::new(messages))).await;
        request.options.logprobs = Some(3);
        accepted += twins.same(&request).await.accepted_tokens;
        let mut request = twins.request(Prompt::Chat(Chat::new(vec![seen.clone()]))).await;
        (request.options.ignore_end, request.max_tokens) = (true, 60);
        accepted += twins.same(&request).await.accepted_tokens;
    }
    assert!(accepted > 20, "{accepted}");
}

/// What is known of the weights' steps does not hold for an adapter's, so nothing is drafted; nor is what it computed in the
/// way of those who come next.
#[tokio::test]
async fn nothing_is_drafted_with_an_adapter() {
    let source = fixture("edison-demo-fast-adapter.gguf");
    let adapters = vec![AdapterSpec { name: "tone".to_string(), source, scale: Scale::ONE }];
    let mut twins = Twins::load(ModelSpec { adapters, ..testing::spec() }).await;
    for (scale, drafts) in
        [(Some(Scale::ONE), false), (None, true), (Scale::new(0.5).ok(), false), (Scale::new(0.0).ok(), true)]
    {
        let mut request = twins.request(kit::repeat(ECHO)).await;
        request.options.adapter = scale.map(|scale| Adapter { number: 0, scale });
        let usage = twins.same(&request).await;
        assert_eq!(usage.drafted_tokens > 0, drafts, "{scale:?}: {usage:?}");
        assert_eq!(usage.accepted_tokens > 0, drafts, "{scale:?}: {usage:?}");
    }
}

/// Leaves a lane in the middle of a draft: two of its tokens are read, and the third is not yet chosen.
async fn leave_in_draft(twins: &mut Twins, request: &backend::GenerateRequest) {
    let ((release, held), (reach, reached)) = (channel(), channel());
    twins.drafting.lane.fault = Some(Fault::InDraft(reach, Box::new(Fault::Hold(held))));
    kit::cancel_after_tokens(&mut twins.drafting.lane, request.clone(), 6).await;
    reached.recv().expect("two tokens of drafts come before it is left");
    drop(release);
    kit::cancel_after_tokens(&mut twins.plain.lane, request.clone(), 6).await;
}

/// Whoever comes next finds nothing of a draft that was left, at once or after it was quiet.
#[tokio::test]
async fn a_draft_that_is_left_is_gone() {
    let mut twins = Twins::load(testing::spec()).await;
    let echo = twins.request(kit::repeat(ECHO)).await;
    for round in 0..4 {
        leave_in_draft(&mut twins, &echo).await;
        if round % 2 == 0 {
            twins.drafting.lane.quiesce().await;
            twins.plain.lane.quiesce().await;
        }
        let text = if round < 2 { ECHO } else { "kestrel-4821 gravel otter" };
        let mut next = twins.request(kit::repeat(text)).await;
        next.options.logprobs = Some(5);
        let usage = twins.same(&next).await;
        assert!(usage.accepted_tokens > 10, "{usage:?}");
    }
}

#[tokio::test]
async fn a_lane_that_failed_in_a_draft_is_as_new_after_its_reset() {
    let mut twins = Twins::load(testing::spec()).await;
    let echo = twins.request(kit::repeat(ECHO)).await;
    for fault in [|| Fault::Panic, || Fault::Decode] {
        twins.drafting.lane.fault = Some(Fault::InDraft(channel().0, Box::new(fault())));
        let answer = kit::run(&mut twins.drafting.lane, echo.clone()).await;
        assert!(matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{answer:?}");
        assert_eq!(answer.text(), ECHO[..6], "two tokens of the draft were told");
        for lane in [&mut twins.drafting.lane, &mut twins.plain.lane] {
            lane.reset().await.expect("the context can be rebuilt");
        }
        let usage = twins.same(&echo).await;
        assert!(usage.accepted_tokens > 10, "{usage:?}");
    }
}

/// Conversations that take turns are saved and brought back as they are without drafts, to the byte, and go on from the same
/// numbers; whoever left in the middle of a draft leaves nothing else.
#[tokio::test]
async fn nothing_of_a_draft_is_saved() {
    let mut spec = testing::spec();
    spec.tuning.saved_state_mib = 8;
    let mut twins = Twins::load(spec).await;
    let mut conversations: Vec<Vec<ChatMessage>> = Vec::new();
    for word in ["otter", "gravel", "violet"] {
        conversations.push(vec![ChatMessage::new(Role::System, format!("{word} {}", kit::words(30)))]);
    }
    let mut accepted = 0;
    for round in 0..12 {
        let messages = &mut conversations[round % 3];
        messages.push(ChatMessage::new(Role::User, format!("Repeat after me: {ECHO} {round}")));
        let mut request = twins.request(Prompt::Chat(Chat::new(messages.clone()))).await;
        request.options.logprobs = Some(5);
        if round % 4 == 1 {
            // Nobody has said it, so that its first letters are not drafted.
            let mut left = messages.clone();
            left.push(ChatMessage::new(Role::User, "Repeat after me: sand-5932 kestrel gravel"));
            let left = twins.request(Prompt::Chat(Chat::new(left))).await;
            leave_in_draft(&mut twins, &left).await;
            twins.drafting.lane.quiesce().await;
            twins.plain.lane.quiesce().await;
        }
        accepted += twins.same(&request).await.accepted_tokens;
        messages.push(ChatMessage::new(Role::Assistant, format!("{ECHO} {round}")));
        let [plain, drafting] = [&twins.plain, &twins.drafting].map(|subject| subject.model.encoder.saved_states());
        assert_eq!(drafting, plain, "round {round}");
    }
    assert!(accepted > 100, "{accepted}");
    let saved = twins.drafting.model.encoder.saved_states();
    assert!(saved.restored > 6 && saved.bytes > 0, "{saved:?}");
}
