//! What breaks stays where it broke (S7), and every request has one ending (S2), also when the service goes (S8).

use std::time::Duration;

use backend_mock::{Fault, ModelScript, Rebuild};
use edison_tests::world::{Make, World, hundred_ms, read, request};
use serving::{Ended, Failure, Refusal};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

fn with_fault(fault: Fault) -> ModelScript {
    ModelScript { faults: [(1, fault)].into(), ..hundred_ms() }
}

/// Two requests; the first meets the fault, the second must not notice. Returns the first one's ending.
async fn first_fails_second_is_served(fault: Fault) -> (World, Result<Failure, Refusal>) {
    let world = Make::models([("m", with_fault(fault))]).loaded().await;
    let first = world.service.submit(request("first", "m")).expect("there is room");
    let second = world.service.submit(request("second", "m")).expect("there is room");
    let (first, second) = tokio::join!(read(first), read(second));
    let second = second.expect("the queue goes on");
    assert_eq!(second.text, "123456789");
    assert!(second.end.is_ok());
    world.assert_sound();
    (world, first.map(|answer| answer.end.expect_err("the fault")))
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_token_is_a_refusal() {
    let (world, first) = first_fails_second_is_served(Fault::FailBeforeFirstToken).await;
    assert!(matches!(first, Err(Refusal::Backend { .. })), "{first:?}");
    assert_eq!(world.outcomes("m")[0].ended, Ended::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_mid_answer_ends_that_answer_only() {
    let (_, first) = first_fails_second_is_served(Fault::FailAfter { tokens: 3 }).await;
    assert!(matches!(first, Ok(Failure::Backend { .. })), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_engine_fails_one_request_and_the_lane_is_rebuilt() {
    let (world, first) = first_fails_second_is_served(Fault::PanicAfter { tokens: 3 }).await;
    assert!(matches!(first, Ok(Failure::Backend { .. })), "{first:?}");
    let outcomes = world.outcomes("m");
    assert_eq!(outcomes[0].ended, Ended::Failed);
    assert_eq!(outcomes.len(), 2, "one record each");
}

#[tokio::test(start_paused = true)]
async fn a_broken_lane_is_rebuilt_before_the_next_request_gets_it() {
    let fault = Fault::BreakLaneAfter { tokens: 3, rebuild: Rebuild::AfterFailures(0) };
    let (_, first) = first_fails_second_is_served(fault).await;
    assert!(matches!(first, Ok(Failure::Backend { .. })), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_freed_by_its_client_leaving() {
    let world = Make::models([("m", with_fault(Fault::HangAfter { tokens: 2 }))]).loaded().await;
    let mut hangs = world.service.submit(request("hangs", "m")).expect("there is room");
    let next = world.service.submit(request("next", "m")).expect("there is room");
    hangs.started().await.expect("two tokens come");
    sleep(Duration::from_secs(60)).await;
    drop(hangs);
    assert_eq!(read(next).await.expect("the lane is free").text, "123456789");
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_everybody_finish_and_takes_nobody_new() {
    let world = Make::models([("m", hundred_ms())]).loaded().await;
    let start = Instant::now();
    let runs = world.service.submit(request("runs", "m")).expect("there is room");
    let waits = world.service.submit(request("waits", "m")).expect("there is room");
    let late = async {
        sleep(50 * MS).await;
        world.service.submit(request("late", "m")).map(|_| ())
    };
    let (runs, waits, late, ()) =
        tokio::join!(read(runs), read(waits), late, world.service.shutdown(Duration::from_secs(10)));
    assert_eq!(runs.expect("answered").text, "123456789");
    assert_eq!(waits.expect("answered").text, "123456789");
    assert_eq!(late, Err(Refusal::ShuttingDown));
    assert_eq!(start.elapsed(), 200 * MS, "it ends with the last answer, not with the deadline");
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_everybody_gets_a_proper_ending_and_every_lane_is_home() {
    let script = ModelScript { stop_delay: 30 * MS, ..hundred_ms() };
    let world = Make::models([("m", script)]).loaded().await;
    let start = Instant::now();
    let runs = world.service.submit(request("runs", "m")).expect("there is room");
    let waits = world.service.submit(request("waits", "m")).expect("there is room");
    let (runs, waits, ()) = tokio::join!(read(runs), read(waits), world.service.shutdown(55 * MS));
    let runs = runs.expect("it had begun");
    assert_eq!((runs.text.as_str(), runs.end), ("12345", Err(Failure::ShuttingDown)));
    assert_eq!(waits.map(|_| ()).expect_err("it never began"), Refusal::ShuttingDown);
    assert_eq!(start.elapsed(), 85 * MS, "the deadline, and then the engine's 30 ms to stop");
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_loading_abandons_the_load_and_tells_who_waits() {
    let script = ModelScript { load_time: Duration::from_secs(3600), ..hundred_ms() };
    let world = Make::models([("m", script)]).start();
    let waits = world.service.submit(request("waits", "m")).expect("there is room");
    let start = Instant::now();
    let (waits, ()) = tokio::join!(read(waits), world.service.shutdown(20 * MS));
    assert_eq!(waits.map(|_| ()).expect_err("it never began"), Refusal::ShuttingDown);
    assert_eq!(start.elapsed(), 20 * MS);
}

/// DESIGN: the same inputs give the same history, to the millisecond.
#[tokio::test(start_paused = true)]
async fn the_same_world_gives_the_same_history_twice() {
    async fn history() -> (Vec<serving::Outcome>, Vec<backend_mock::Entry>) {
        let fault = with_fault(Fault::FailAfter { tokens: 3 });
        let world = Make::models([("m", fault), ("n", hundred_ms())]).loaded().await;
        let submit = |id, model| world.service.submit(request(id, model)).expect("there is room");
        let all = [submit("a", "m"), submit("b", "n"), submit("c", "m"), submit("d", "m"), submit("e", "n")];
        let [a, b, c, d, e] = all.map(read);
        let _ = tokio::join!(a, b, c, d, e);
        let outcomes = ["m", "n"].iter().flat_map(|model| world.outcomes(model)).collect();
        (outcomes, world.journal.entries())
    }
    assert_eq!(history().await, history().await);
}
