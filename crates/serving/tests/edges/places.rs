//! What a client is told of where its request is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    Capabilities, Chat, ChatMessage, EncodedPrompt, EventStream, LoadedModel, ModelInfo, Prompt, PromptEncoder,
    PromptError, Role,
};
use futures_util::{FutureExt, StreamExt};
use serving::{Generation, Phase, Place, Refusal, Request, Shorten};
use tokio::time::sleep;

use crate::mocked_backend::answer;
use crate::mocks::{MockEngine, MockLane, OneToken, request, service, with_lane_and_encoder};

const HOLD: Duration = Duration::from_millis(100);

fn slow() -> EventStream<'static> {
    Box::pin(sleep(HOLD).into_stream().flat_map(|()| answer("done")))
}

async fn finish(mut generation: Generation) {
    generation.started().await.expect("the lane answers");
    while generation.next().await.is_some() {}
}

/// Method: three requests for one lane that takes 100 ms for each, looked at while the model loads, while the first one
/// works, and while the second one does.
#[tokio::test(start_paused = true)]
async fn a_request_knows_its_place_and_about_how_long_it_will_wait() {
    let mut lane = MockLane::new();
    lane.expect_generate().returning(|_| slow());
    lane.expect_quiesce().returning(|| ());
    let mut engine = MockEngine::new();
    engine.expect_load().return_once(move |_, progress| {
        progress(0.5);
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        Ok(LoadedModel { info, encoder: Arc::new(OneToken), lanes: vec![Box::new(lane)] })
    });
    let service = service(engine);
    let [first, second, third] = ["1", "2", "3"].map(|id| service.submit(request(id)).expect("admitted"));
    assert_eq!(first.place(), Place::Loading { progress: 0.0 });
    service.loaded().await;
    sleep(HOLD / 2).await;
    assert_eq!(first.place(), Place::Served(Phase::Prefill));
    assert_eq!(third.place(), Place::Queued { position: 2, expected_wait: None }, "no hold was measured yet");
    finish(first).await;
    assert_eq!(third.place(), Place::Queued { position: 1, expected_wait: Some(HOLD) });
    finish(second).await;
    finish(third).await;
}

/// Every message is a token, and three are too many. It takes a second, as a long conversation may.
struct Messages;

#[async_trait]
impl PromptEncoder for Messages {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        sleep(Duration::from_secs(1)).await;
        let Prompt::Chat(chat) = &prompt else { panic!("a chat") };
        match chat.messages.len() {
            n @ 3.. => Err(PromptError::TooLong { tokens: n as u32, context_len: 3 }),
            n => Ok(EncodedPrompt { tokens: vec![1; n], prompt }),
        }
    }
}

fn chat(id: &str, n_messages: usize) -> Request {
    let messages = (0..n_messages).map(|n| ChatMessage::new(Role::User, n.to_string())).collect();
    Request { prompt: Prompt::Chat(Chat::new(messages)), ..request(id) }
}

/// Leaves messages out from the front, one at a time, but never fewer than so many.
fn leaving(least: usize) -> Shorten {
    Box::new(move |chat, tokens, context_len| {
        assert_eq!((chat.messages.len() as u32, context_len), (tokens, 3), "as it is now");
        let can = chat.messages.len() > least;
        if can {
            chat.messages.remove(0);
        }
        can
    })
}

/// Method: the lane is busy. The first waiter is encoded three times before its conversation fits, the second one at once.
#[tokio::test(start_paused = true)]
async fn what_is_made_shorter_keeps_its_place_and_what_cannot_be_is_refused() {
    let mut lane = MockLane::new();
    lane.expect_generate().returning(|_| Box::pin(sleep(60 * HOLD).into_stream().flat_map(|()| answer("done"))));
    lane.expect_quiesce().returning(|| ());
    let service = with_lane_and_encoder(lane, Arc::new(Messages));
    let holds = service.submit(chat("holds", 1)).expect("admitted");
    let long = service.submit_shortened(chat("long", 4), leaving(1)).expect("admitted");
    let mut longer = service.submit_shortened(chat("longer", 4), leaving(3)).expect("admitted");
    let short = service.submit(chat("short", 2)).expect("admitted");
    let too_long = PromptError::TooLong { tokens: 3, context_len: 3 };
    assert_eq!(longer.started().await, Err(Refusal::Prompt(too_long)));
    tokio::join!(finish(holds), finish(long), finish(short));
    let model = service.models().remove(0);
    let served: Vec<_> = model.history.iter().map(|done| (done.request_id.as_str(), done.prompt_tokens)).collect();
    assert_eq!(served, [("holds", 1), ("long", 2), ("short", 2)]);
}
