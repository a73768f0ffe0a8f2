//! A model that is let go and comes back.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use backend::{Chat, ChatMessage, Prompt, Role};
use serving::{Ended, LoadState, LockEvent, ModelConfig, Place, Refusal, Request, Service};
use tokio::time::{Instant, sleep};

use crate::mocks::{request, spec};
use crate::played::{HOLD, LOAD, ask, finish, service, state, watched};

/// Method: one request holds the only lane and one waits when the model is told to go. The first finishes where it is; the
/// engine is dropped; the second waits for the next load, and is encoded by that, not by the one before.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_told_to_go_lets_holders_finish_and_comes_back_for_who_waits() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    sleep(HOLD / 2).await;
    let begun = Instant::now();
    let (unloaded, ()) = tokio::join!(service.unload("m"), finish(first));
    assert_eq!(
        (unloaded, begun.elapsed()),
        (Ok("m".to_owned()), HOLD / 2),
        "told when the holder is done, and not before"
    );
    assert_eq!(seen.alive.load(Ordering::Relaxed), 0, "told when the engine is gone");
    sleep(LOAD / 2).await;
    assert_eq!(
        (state(&service), second.place()),
        (LoadState::Loading { progress: 0.0 }, Place::Loading { progress: 0.0 })
    );
    finish(second).await;
    assert_eq!(begun.elapsed(), HOLD / 2 + LOAD + HOLD);
    assert_eq!(*seen.answered.lock().expect("nobody panicked"), [(1, vec![1]), (2, vec![2])]);
    let history = service.models().remove(0).history;
    assert!(history.iter().all(|outcome| outcome.ended == Ended::Finished(backend::FinishReason::Stop)), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_let_go_is_loaded_for_whoever_asks_next_and_by_nobody_else() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    assert_eq!(service.unload("m").await, Ok("m".to_owned()));
    assert_eq!(service.unload("m").await, Ok("m".to_owned()), "it is gone already");
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    service.loaded().await;
    let view = service.models().remove(0);
    assert_eq!((view.lanes.len(), view.context_len), (0, Some(8)), "what it was is still known");
    let begun = Instant::now();
    finish(ask(&service, "next")).await;
    assert_eq!((begun.elapsed(), state(&service)), (LOAD + HOLD, LoadState::Ready));
    assert_eq!(service.load("m").await, Ok("m".to_owned()));
    service.unload("m").await.expect("it is there");
    service.load("m").await.expect("it comes back");
    assert_eq!(seen.loads.load(Ordering::Relaxed), 3);
    service.unload("m").await.expect("it is there");
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(state(&service), LoadState::Unloaded, "whoever wanted it has had it");
    assert_eq!(service.unload("other").await.map_err(|e| matches!(e, Refusal::UnknownModel { .. })), Err(true));
}

/// Who cannot even wait is refused, and brings the model back all the same: asking again helps.
#[tokio::test(start_paused = true)]
async fn a_model_without_a_queue_comes_back_too() {
    let (service, seen) = service(ModelConfig { queue_max: 0, ..ModelConfig::new(spec()) });
    service.loaded().await;
    service.unload("m").await.expect("it is there");
    service.submit(request("early")).map(drop).expect_err("there is no lane, and nobody may wait");
    sleep(LOAD).await;
    sleep(Duration::from_millis(1)).await;
    finish(ask(&service, "again")).await;
    assert_eq!(seen.loads.load(Ordering::Relaxed), 2);
}

/// Method: idle counts from the end of the load, and from the end of the last use; a request that lasts is a use.
#[tokio::test(start_paused = true)]
async fn a_model_that_nobody_uses_is_let_go_after_its_time_and_not_before() {
    let limit = Duration::from_millis(150);
    let (service, seen) = service(ModelConfig { unload_after: Some(limit), ..ModelConfig::new(spec()) });
    service.loaded().await;
    sleep(limit - Duration::from_millis(1)).await;
    assert_eq!(state(&service), LoadState::Ready);
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    finish(first).await;
    finish(second).await;
    sleep(limit - Duration::from_millis(1)).await;
    assert_eq!(state(&service), LoadState::Ready, "200 ms of use, and 149 ms of rest");
    sleep(Duration::from_millis(2)).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    finish(ask(&service, "third")).await;
    assert_eq!(seen.loads.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn every_lane_leaves_when_it_is_home_and_a_drain_waits_for_nobody_who_is_away() {
    let mut config = ModelConfig::new(spec());
    config.spec.lanes = 3;
    let (service, seen) = service(config);
    service.loaded().await;
    let held = ask(&service, "held");
    sleep(HOLD / 2).await;
    let unload = tokio::spawn({
        let service = service.clone();
        async move { service.unload("m").await }
    });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(service.models().remove(0).lanes.len(), 1, "two are out already");
    finish(held).await;
    unload.await.expect("no panic").expect("it is let go");
    assert_eq!(seen.alive.load(Ordering::Relaxed), 0);
    let waiting = ask(&service, "waiting");
    sleep(LOAD / 2).await;
    // In the middle of the second load: who waits is told, and the load is abandoned.
    service.shutdown(Duration::ZERO).await;
    let mut waiting = waiting;
    assert_eq!(waiting.started().await, Err(Refusal::ShuttingDown));
    assert_eq!(service.unload("m").await, Err(Refusal::ShuttingDown));
    assert_eq!(seen.loads.load(Ordering::Relaxed), 1);
}

/// Method: the wish comes twice, once before the model goes and once while it does. It goes once.
#[tokio::test(start_paused = true)]
async fn a_wish_that_comes_while_the_model_goes_is_granted_with_it() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    sleep(HOLD / 2).await;
    let again = async {
        sleep(HOLD / 4).await;
        service.unload("m").await
    };
    let (unloaded, again, ()) = tokio::join!(service.unload("m"), again, finish(first));
    assert_eq!((unloaded, again), (Ok("m".to_owned()), Ok("m".to_owned())));
    finish(second).await;
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.loads.load(Ordering::Relaxed)), (LoadState::Ready, 2));
}

/// A request that is refused by the queue while the model goes wants it back as well: nobody else says so later.
#[tokio::test(start_paused = true)]
async fn who_is_refused_while_the_model_goes_brings_it_back() {
    let (service, seen) = service(ModelConfig { queue_max: 0, ..ModelConfig::new(spec()) });
    service.loaded().await;
    let held = ask(&service, "held");
    sleep(HOLD / 2).await;
    let refused = async {
        sleep(HOLD / 4).await;
        service.submit(request("early")).map(drop)
    };
    let (unloaded, refused, ()) = tokio::join!(service.unload("m"), refused, finish(held));
    unloaded.expect("it is let go");
    assert!(matches!(refused, Err(Refusal::QueueFull { .. })), "{refused:?}");
    sleep(LOAD + Duration::from_millis(1)).await;
    assert_eq!((state(&service), seen.loads.load(Ordering::Relaxed)), (LoadState::Ready, 2));
}

/// Its last lane broke, and is found to be beyond repair while the model goes. That would end a model that stays; the next
/// load makes its lanes anew.
#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_rebuilt_while_the_model_goes_is_no_failure_of_the_model() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    seen.breaks.store(true, Ordering::Relaxed);
    ask(&service, "breaks").started().await.expect_err("it broke");
    sleep(HOLD / 2).await;
    assert_eq!(service.models().remove(0).lanes[0].state, "in_repair");
    assert_eq!(service.unload("m").await, Ok("m".to_owned()));
    sleep(HOLD).await;
    assert_eq!((state(&service), seen.alive.load(Ordering::Relaxed)), (LoadState::Unloaded, 0));
    seen.breaks.store(false, Ordering::Relaxed);
    finish(ask(&service, "next")).await;
    assert_eq!(state(&service), LoadState::Ready);
}

/// Looks at the model in the moment in which it is woken.
struct Look {
    service: Service,
    found: Mutex<Vec<(LoadState, usize)>>,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        let model = self.service.states().remove(0);
        self.found.lock().expect("nobody panicked").push((model.state, model.lanes_in_service));
    }
}

/// Whoever found a loaded model without lanes would take it for one that has stopped.
#[tokio::test(start_paused = true)]
async fn who_is_told_that_a_model_is_loaded_finds_its_lanes() {
    let (service, _) = service(ModelConfig::new(spec()));
    let look = Arc::new(Look { service: service.clone(), found: Mutex::default() });
    let waker = Waker::from(Arc::clone(&look));
    let mut loaded = Box::pin(service.loaded());
    assert!(loaded.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sleep(LOAD * 2).await;
    assert_eq!(*look.found.lock().expect("nobody panicked"), [(LoadState::Ready, 1)]);
}

/// Whoever found it loaded and without lanes would take it for one that has stopped, and so would `/ready`.
#[tokio::test(start_paused = true)]
async fn a_model_whose_last_lane_has_left_is_unloaded_to_whoever_looks() {
    let (known, found) = (Arc::new(OnceLock::<Service>::new()), Arc::new(Mutex::new(Vec::new())));
    let (service, _) = watched(ModelConfig::new(spec()), {
        let (known, found) = (Arc::clone(&known), Arc::clone(&found));
        move |_, event| {
            // The lane is home, which here means that it is out.
            if matches!(event, LockEvent::Released { .. }) {
                let model = known.get().expect("known before any hold").states().remove(0);
                found.lock().expect("nobody panicked").push((model.state, model.lanes_in_service));
            }
        }
    });
    assert!(known.set(service.clone()).is_ok(), "nobody else sets it");
    service.loaded().await;
    let [first, second] = ["first", "second"].map(|id| ask(&service, id));
    finish(first).await;
    let (unloaded, ()) = tokio::join!(service.unload("m"), finish(second));
    unloaded.expect("it is let go");
    assert_eq!(*found.lock().expect("nobody panicked"), [(LoadState::Ready, 1), (LoadState::Unloaded, 0)]);
}

/// It was short enough for the context of the load before.
#[tokio::test(start_paused = true)]
async fn a_conversation_is_shortened_for_the_load_that_answers_it() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let held = ask(&service, "held");
    let said = |text: &str| ChatMessage::new(Role::User, text);
    let chat = Chat::new(vec![said("long ago"), said("now")]);
    let request = Request { prompt: Prompt::Chat(chat), ..request("long") };
    let shortened = service.submit_shortened(
        request,
        Box::new(|chat, _, _| {
            chat.messages.remove(0);
            true
        }),
    );
    sleep(HOLD / 2).await;
    let (unloaded, ()) = tokio::join!(service.unload("m"), finish(held));
    unloaded.expect("it is let go");
    finish(shortened.expect("there is room")).await;
    assert_eq!(*seen.answered.lock().expect("nobody panicked"), [(1, vec![1]), (2, vec![2])]);
}
