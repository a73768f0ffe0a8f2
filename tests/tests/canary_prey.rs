//! The promises of order and exclusion in virtual time, exact to the millisecond.
//!
//! `cargo xtask canaries` runs this file again with bugs planted and expects it to go red: with no lock, with one lock
//! for all models, with the newest served first, with the lane released before the engine has stopped. So these tests
//! assert what the clock and the outcome records show, never what the code is believed to do.

use std::time::Duration;

use backend_mock::ModelScript;
use edison_tests::world::{HUNDRED_MS, Make, hundred_ms, overlaps, read, request};
use tokio::time::Instant;

/// S3, L1. Without a lock, or with one lane too many, this takes 100 ms or trips the engine.
#[tokio::test(start_paused = true)]
async fn three_requests_to_one_model_take_three_times_as_long() {
    let world = Make::models([("m", hundred_ms())]).loaded().await;
    let start = Instant::now();
    let (a, b, c) =
        tokio::join!(world.ask(request("a", "m")), world.ask(request("b", "m")), world.ask(request("c", "m")),);
    for (answer, ms) in [(a, 100), (b, 200), (c, 300)] {
        let answer = answer.expect("each is answered");
        assert_eq!((answer.at - start).as_millis(), ms);
        assert_eq!(answer.text, "123456789");
    }
    let outcomes = world.outcomes("m");
    assert_eq!(outcomes.len(), 3);
    assert_eq!(overlaps(&outcomes), 0, "{outcomes:#?}");
    world.assert_sound();
}

/// S5, L12. With one lock for all models this takes 300 ms.
#[tokio::test(start_paused = true)]
async fn three_requests_to_three_models_run_at_once() {
    let world = Make::models([("x", hundred_ms()), ("y", hundred_ms()), ("z", hundred_ms())]).loaded().await;
    let start = Instant::now();
    let (x, y, z) =
        tokio::join!(world.ask(request("a", "x")), world.ask(request("b", "y")), world.ask(request("c", "z")),);
    for answer in [x, y, z] {
        assert_eq!(answer.expect("each is answered").at - start, HUNDRED_MS);
    }
    let holds: Vec<_> = ["x", "y", "z"].iter().flat_map(|model| world.outcomes(model)).collect();
    assert_eq!(overlaps(&holds), 3, "every pair of holds is at the same time: {holds:#?}");
    world.assert_sound();
}

/// Two names for one file are one instance: were they two, this would take 100 ms and twice the memory.
#[tokio::test(start_paused = true)]
async fn two_names_for_one_file_share_one_lock() {
    let make = Make { same_file: vec![("other", "m")], ..Make::models([("m", hundred_ms())]) };
    let world = make.loaded().await;
    let start = Instant::now();
    let (a, b) = tokio::join!(world.ask(request("a", "m")), world.ask(request("b", "other")));
    assert_eq!(a.expect("answered").at - start, HUNDRED_MS);
    let b = b.expect("answered");
    assert_eq!(b.at - start, 2 * HUNDRED_MS);
    assert_eq!(b.started.model, "m");
    assert_eq!(world.service.models().len(), 1);
    assert_eq!(overlaps(&world.outcomes("m")), 0);
}

/// L3. Eight requests, submitted in order; the order in which lanes are granted is read from tickets and records.
#[tokio::test(start_paused = true)]
async fn requests_to_one_model_are_answered_in_order_of_arrival() {
    let world = Make::models([("m", hundred_ms())]).loaded().await;
    let ids = ["0", "1", "2", "3", "4", "5", "6", "7"];
    let submitted: Vec<_> =
        ids.iter().map(|id| world.service.submit(request(id, "m")).expect("there is room")).collect();
    let mut tickets = vec![];
    for generation in submitted {
        tickets.push(read(generation).await.expect("answered").started.ticket);
    }
    assert!(tickets.is_sorted(), "tickets in the order of submission: {tickets:?}");
    let served: Vec<_> = world.outcomes("m").into_iter().map(|outcome| outcome.request_id).collect();
    assert_eq!(served, ids);
    world.assert_sound();
}

/// S4, late stop. The engine goes on for 500 ms after its client has left; nobody is let in before it has stopped.
#[tokio::test(start_paused = true)]
async fn the_next_request_waits_until_the_engine_has_stopped() {
    let script = ModelScript { stop_delay: Duration::from_millis(500), ..hundred_ms() };
    let world = Make::models([("m", script)]).loaded().await;
    let mut leaver = world.service.submit(request("leaver", "m")).expect("there is room");
    leaver.started().await.expect("it runs");
    let left = Instant::now();
    drop(leaver);
    let next = world.ask(request("next", "m")).await.expect("it is let in");
    assert_eq!(next.at - left, Duration::from_millis(500) + HUNDRED_MS);
    assert_eq!(next.text, "123456789");
    let outcomes = world.outcomes("m");
    assert_eq!(outcomes[0].request_id, "leaver");
    assert_eq!(overlaps(&outcomes), 0, "{outcomes:#?}");
    world.assert_sound();
}
