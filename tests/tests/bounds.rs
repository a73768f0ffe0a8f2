//! Refusals: at the bound, at the deadline, for a prompt that cannot run. Each is told early and changes nothing.

use std::time::Duration;

use backend::PromptError;
use backend_mock::ModelScript;
use edison_tests::world::{HUNDRED_MS, Make, hundred_ms, read, request, says};
use serving::{Limits, Refusal, Request, Tier};
use tokio::time::Instant;

/// L5. One holds, three wait, and of one more exactly one is refused, with the numbers; the others are answered in
/// the order they had.
#[tokio::test(start_paused = true)]
async fn one_more_than_the_queue_holds_is_refused_and_changes_nothing() {
    let world = Make::models([("m", hundred_ms())]).queue_max(3).loaded().await;
    let ids = ["holds", "waits-1", "waits-2", "waits-3", "refused"];
    let (admitted, refused): (Vec<_>, Vec<_>) =
        ids.iter().map(|id| world.service.submit(request(id, "m"))).partition(Result::is_ok);
    let refused: Vec<_> = refused.into_iter().map(|r| r.expect_err("partitioned")).collect();
    let full = Refusal::QueueFull { model: "m".into(), waiting: 3, limit: 3, retry_after: None };
    assert_eq!(refused, [full]);
    for generation in admitted {
        assert_eq!(read(generation.expect("partitioned")).await.expect("answered").text, "123456789");
    }
    let served: Vec<_> = world.outcomes("m").into_iter().map(|o| o.request_id).collect();
    assert_eq!(served, ids[..4]);
    world.assert_sound();
}

/// The hint is measured: holds of 100 ms and three ahead make 400 ms.
#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_a_place_is_likely() {
    let world = Make::models([("m", hundred_ms())]).queue_max(3).loaded().await;
    world.ask(request("earlier", "m")).await.expect("answered");
    let kept: Vec<_> = (0..4).map(|i| world.service.submit(request(&format!("r{i}"), "m")).expect("room")).collect();
    match world.service.submit(request("refused", "m")) {
        Err(Refusal::QueueFull { retry_after, .. }) => {
            assert_eq!(retry_after, Some(4 * HUNDRED_MS))
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_none_refuses_whoever_would_have_to_wait() {
    let world = Make::models([("m", hundred_ms())]).queue_max(0).loaded().await;
    let holds = world.service.submit(request("holds", "m")).expect("the lane is free");
    assert!(matches!(world.service.submit(request("refused", "m")), Err(Refusal::QueueFull { limit: 0, .. })));
    assert_eq!(read(holds).await.expect("answered").text, "123456789");
    assert!(world.service.submit(request("later", "m")).is_ok(), "the lane is free again");
}

/// The deadline is the service's, or the request's where that is shorter; it is never longer.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_deadline_and_gives_its_place_back() {
    let limits = Limits { queue_timeout: Duration::from_millis(60), ..Limits::default() };
    let a_second = ModelScript { time_per_token: HUNDRED_MS, ..hundred_ms() };
    let world = Make { limits, ..Make::models([("m", a_second)]) }.queue_max(1).loaded().await;
    let start = Instant::now();
    let holds = world.service.submit(request("holds", "m")).expect("the lane is free");
    for (wanted_ms, got_ms) in [(Some(20), 20), (None, 60), (Some(5000), 60)] {
        let from = start.elapsed().as_millis();
        let asked = Request { queue_timeout: wanted_ms.map(Duration::from_millis), ..request("late", "m") };
        let refused = world.ask(asked).await.expect_err("the lane is held for a second");
        assert_eq!(start.elapsed().as_millis() - from, got_ms);
        assert!(matches!(refused, Refusal::QueueTimeout { waited, .. } if waited.as_millis() == got_ms), "{refused:?}");
    }
    assert_eq!(read(holds).await.expect("answered").text, "123456789");
    world.assert_sound();
}

/// A prompt that cannot run is refused while the lane is held by another: its client need not wait for its turn.
#[tokio::test(start_paused = true)]
async fn a_prompt_longer_than_the_context_is_refused_without_waiting() {
    let script = ModelScript { context_len: 256, ..hundred_ms() };
    let world = Make::models([("m", script)]).loaded().await;
    let start = Instant::now();
    let holds = world.service.submit(request("holds", "m")).expect("the lane is free");
    let long = Request { prompt: says(&"x".repeat(1000)), ..request("long", "m") };
    let refused = world.ask(long).await.expect_err("it cannot run");
    assert!(matches!(refused, Refusal::Prompt(PromptError::TooLong { context_len: 256, .. })), "{refused:?}");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(read(holds).await.expect("answered").at - start, HUNDRED_MS);
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_refused_and_never_served_by_another() {
    let tiers = [(Tier::Fast, "m".to_string())].into();
    let world = Make { tiers, ..Make::models([("m", hundred_ms())]) }.loaded().await;
    for name in ["gpt-4", "", "M", "fast ", "vision"] {
        match world.service.submit(request("r", name)) {
            Err(Refusal::UnknownModel { asked, known }) => {
                assert_eq!((asked.as_str(), known), (name, vec!["fast".to_string(), "m".to_string()]));
            }
            other => panic!("{name:?}: expected a refusal, got {other:?}"),
        }
    }
    assert_eq!(world.journal.holds("m"), [], "nothing reached the engine");
}

/// While a model that was there cannot be loaded again, its tier is served by the next in line; afterwards by itself.
#[tokio::test(start_paused = true)]
async fn a_tier_falls_back_while_its_model_cannot_be_loaded_again() {
    let fails = ModelScript { failed_loads: [2].into(), ..hundred_ms() };
    let tiers = [(Tier::Fast, "f".to_string()), (Tier::Deep, "d".to_string())].into();
    let world = Make { tiers, ..Make::models([("f", hundred_ms()), ("d", fails)]) }.loaded().await;
    world.service.unload("d").await.expect("it is there");
    world.service.load("d").await.expect_err("its second load fails");
    assert_eq!(world.ask(request("in the pause", "deep")).await.expect("fast stands in").started.model, "f");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.ask(request("after it", "deep")).await.expect("it is back").started.model, "d");
    world.assert_sound();
}

/// A tier whose model failed is served by the next in line, and the answer says by whom.
#[tokio::test(start_paused = true)]
async fn a_tier_falls_back_when_its_model_failed_to_load() {
    let fails = ModelScript { load_failures: 1, ..hundred_ms() };
    let tiers = [(Tier::Fast, "f".to_string()), (Tier::Deep, "d".to_string())].into();
    let world = Make { tiers, ..Make::models([("f", hundred_ms()), ("d", fails)]) }.loaded().await;
    let answer = world.ask(request("r", "deep")).await.expect("fast stands in");
    assert_eq!(answer.started.model, "f");
    assert!(matches!(world.service.submit(request("r", "d")), Err(Refusal::ModelUnavailable { .. })));
}
