//! What a client is told of where its request is.

use std::sync::Arc;
use std::time::Duration;

use backend::{Capabilities, EventStream, LoadedModel, ModelInfo};
use futures_util::{FutureExt, StreamExt};
use serving::{Generation, Phase, Place};
use tokio::time::sleep;

use crate::mocked_backend::answer;
use crate::mocks::{MockEngine, MockLane, OneToken, request, service};

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
