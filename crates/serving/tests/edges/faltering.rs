//! A model that was there and cannot be loaded again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serving::{Ended, LoadState, ModelConfig, Refusal, Service};
use tokio::time::{Instant, sleep};

use crate::mocks::{request, spec};
use crate::played::{HOLD, LOAD, Seen, ask, finish, service, state};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than the tasks of an instant take.
const TICK: Duration = Duration::from_millis(1);

fn absent(retry_after: Duration) -> Refusal {
    let reason = "loading failed: planted".into();
    Refusal::ModelUnavailable { model: "m".into(), reason, retry_after: Some(retry_after) }
}

fn failed(retry_after: Duration) -> LoadState {
    LoadState::Failed { reason: "loading failed: planted".into(), retry_after: Some(retry_after) }
}

/// A model that was let go, and cannot be loaded again as long as `seen.fails`.
async fn unloadable(config: ModelConfig) -> (Service, Seen) {
    let (service, seen) = service(config);
    service.loaded().await;
    service.unload("m").await.expect("it is there");
    seen.fails.store(true, Ordering::Relaxed);
    (service, seen)
}

/// When each load began, counted from the first of these.
fn begun(seen: &Seen, from: usize) -> Vec<Duration> {
    let begun = seen.begun.lock().expect("nobody panicked");
    begun[from..].iter().map(|at| at.duration_since(begun[from])).collect()
}

/// Method: one was encoded by the load before and waits for its lane only, and one came later and waits for both. Both are
/// told at the end of the load; a third is told at once; a fourth comes after the pause, while the load is tried again, and
/// is served by it.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_load_that_fails_is_told_and_who_comes_after_the_pause_is_served() {
    let (service, seen) = service(ModelConfig::new(spec()));
    service.loaded().await;
    let [held, mut encoded] = ["held", "encoded"].map(|id| ask(&service, id));
    sleep(HOLD / 2).await;
    seen.fails.store(true, Ordering::Relaxed);
    let (unloaded, ()) = tokio::join!(service.unload("m"), finish(held));
    unloaded.expect("it is let go");
    let gone = Instant::now();
    let mut late = ask(&service, "late");
    let (first, second) = tokio::join!(encoded.started(), late.started());
    assert_eq!((first, second, gone.elapsed()), (Err(absent(SECOND)), Err(absent(SECOND)), LOAD));
    assert_eq!(state(&service), failed(SECOND));
    sleep(SECOND / 4).await;
    assert_eq!(
        service.submit(request("early")).map(drop),
        Err(absent(SECOND * 3 / 4)),
        "not let wait for what may fail"
    );
    seen.fails.store(false, Ordering::Relaxed);
    sleep(SECOND).await;
    assert_eq!(state(&service), LoadState::Loading { progress: 0.0 });
    finish(ask(&service, "next")).await;
    assert_eq!(gone.elapsed(), LOAD + SECOND + LOAD + HOLD);
    let ends: Vec<_> = service.models().remove(0).history.into_iter().map(|outcome| outcome.request_id).collect();
    assert_eq!(ends, ["held", "next"], "nobody else held a lane");
}

/// Nobody asks meanwhile: who balances load by `/ready` sends nobody before the model is there again.
#[tokio::test(start_paused = true)]
async fn it_is_tried_again_by_itself_after_pauses_that_double_and_begin_anew_when_it_succeeded() {
    let (service, seen) = unloadable(ModelConfig::new(spec())).await;
    ask(&service, "first").started().await.expect_err("the load fails");
    sleep((SECOND + LOAD) + (SECOND * 2 + LOAD) + TICK).await;
    assert_eq!(begun(&seen, 1), [0, 3, 7].map(Duration::from_secs));
    seen.fails.store(false, Ordering::Relaxed);
    sleep(SECOND * 4 + LOAD).await;
    assert_eq!((state(&service), begun(&seen, 1)), (LoadState::Ready, [0, 3, 7, 13].map(Duration::from_secs).into()));
    service.unload("m").await.expect("it is there");
    seen.fails.store(true, Ordering::Relaxed);
    let told = ask(&service, "again").started().await;
    assert_eq!(told, Err(absent(SECOND)));
}

/// Method: a load that is tried again fails while somebody waits for it, and while the model was told to go: which it is.
#[tokio::test(start_paused = true)]
async fn a_wish_to_go_is_granted_by_the_failure_and_not_kept_for_the_next_load() {
    let (service, seen) = unloadable(ModelConfig::new(spec())).await;
    let mut waiting = ask(&service, "waiting");
    sleep(LOAD / 2).await;
    let (unloaded, told) = tokio::join!(service.unload("m"), waiting.started());
    assert_eq!((unloaded, told), (Ok("m".to_owned()), Err(absent(SECOND))));
    assert_eq!(service.unload("m").await, Ok("m".to_owned()), "there is nothing to be let go");
    seen.fails.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.loads.load(Ordering::Relaxed)), (LoadState::Ready, 2));
}

/// Somebody has put the file back, and says so.
#[tokio::test(start_paused = true)]
async fn who_wants_it_loaded_need_not_wait_for_the_end_of_the_pause() {
    let (service, seen) = unloadable(ModelConfig::new(spec())).await;
    assert_eq!(service.load("m").await, Err(absent(SECOND)));
    let begun = Instant::now();
    assert_eq!(service.load("m").await, Err(absent(SECOND * 2)), "this one has failed as well");
    seen.fails.store(false, Ordering::Relaxed);
    assert_eq!((service.load("m").await, begun.elapsed()), (Ok("m".to_owned()), LOAD * 2));
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((state(&service), seen.begun.lock().expect("nobody panicked").len()), (LoadState::Ready, 4));
}

/// The service goes in the middle of a pause, and is not held up by it.
#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_pause() {
    let (service, seen) = unloadable(ModelConfig::new(spec())).await;
    ask(&service, "first").started().await.expect_err("the load fails");
    let begun = Instant::now();
    service.shutdown(SECOND * 100).await;
    assert_eq!(
        (begun.elapsed(), service.submit(request("late")).map(drop)),
        (Duration::ZERO, Err(Refusal::ShuttingDown))
    );
    sleep(SECOND * 100).await;
    assert_eq!(seen.begun.lock().expect("nobody panicked").len(), 2);
}

/// A load that is given up because its model was never there stays so, whoever asks.
#[tokio::test(start_paused = true)]
async fn the_first_load_decides_alone() {
    let (service, seen) = service(ModelConfig::new(spec()));
    seen.fails.store(true, Ordering::Relaxed);
    service.loaded().await;
    seen.fails.store(false, Ordering::Relaxed);
    let gone =
        Refusal::ModelUnavailable { model: "m".into(), reason: "loading failed: planted".into(), retry_after: None };
    assert_eq!(service.load("m").await, Err(gone.clone()));
    assert_eq!(service.unload("m").await, Err(gone));
    sleep(SECOND * 100).await;
    assert_eq!(seen.begun.lock().expect("nobody panicked").len(), 1);
}

/// They count as no use either: idle begins with the load.
#[tokio::test(start_paused = true)]
async fn who_was_told_is_neither_in_the_queue_nor_in_use() {
    let limit = SECOND * 5;
    let (service, seen) = unloadable(ModelConfig { unload_after: Some(limit), ..ModelConfig::new(spec()) }).await;
    let mut told = ask(&service, "told");
    told.started().await.expect_err("the load fails");
    let view = service.models().remove(0);
    assert_eq!((view.waiting.len(), view.history.len()), (0, 0));
    assert!(!service.is_under_way(|_| true));
    seen.fails.store(false, Ordering::Relaxed);
    sleep(SECOND + LOAD + TICK).await;
    assert_eq!(state(&service), LoadState::Ready);
    sleep(limit).await;
    assert_eq!(state(&service), LoadState::Unloaded, "nobody used it");
    finish(ask(&service, "next")).await;
    assert_eq!(service.models().remove(0).history[0].ended, Ended::Finished(backend::FinishReason::Stop));
}
