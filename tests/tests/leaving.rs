//! Leaving is free (S4): a client that goes gives its place back within one engine step and touches nobody else.
//!
//! Method: one client leaves in each phase; the virtual clock tells when the place was free, and the answers of the
//! others must be complete and exactly as late as they would be without it.

use std::time::Duration;

use backend_mock::ModelScript;
use edison_tests::world::{HUNDRED_MS, Make, World, hundred_ms, read, request, says};
use serving::{Ended, Phase, Request};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

async fn wait_until_record(world: &World, id: &str) -> serving::Outcome {
    loop {
        if let Some(outcome) = world.outcomes("m").into_iter().find(|o| o.request_id == id) {
            return outcome;
        }
        sleep(MS).await;
    }
}

fn slow_prompt() -> ModelScript {
    ModelScript { prefill_per_token: MS, prefill_chunk: 64, ..hundred_ms() }
}

fn long_request(id: &str) -> Request {
    Request { prompt: says(&"long ".repeat(200)), ..request(id, "m") }
}

#[tokio::test(start_paused = true)]
async fn leaving_while_waiting_moves_the_others_up_and_nobody_is_lost() {
    let world = Make::models([("m", hundred_ms())]).loaded().await;
    let start = Instant::now();
    let submit = |id| world.service.submit(request(id, "m")).expect("there is room");
    let (first, leaver, last) = (submit("first"), submit("leaver"), submit("last"));
    sleep(50 * MS).await;
    drop(leaver);
    sleep(MS).await;
    let waiting: Vec<_> = world.service.models()[0].waiting.iter().map(|w| w.request_id.clone()).collect();
    assert_eq!(waiting, ["last"], "the place is free within a millisecond, no engine step involved");
    let (first, last) = tokio::join!(read(first), read(last));
    let (first, last) = (first.expect("answered"), last.expect("answered"));
    assert_eq!(first.at - start, HUNDRED_MS);
    assert_eq!(last.at - start, 2 * HUNDRED_MS, "as if the leaver had never been");
    assert_eq!((first.text.as_str(), last.text.as_str()), ("123456789", "123456789"));
    assert!(world.outcomes("m").iter().all(|o| o.request_id != "leaver"), "it never had a lane");
    world.assert_sound();
}

/// The queue holds one. While the model loads, whoever leaves makes room for the next.
#[tokio::test(start_paused = true)]
async fn leaving_while_loading_frees_the_place_in_the_queue() {
    let script = ModelScript { load_time: Duration::from_secs(10), ..hundred_ms() };
    let world = Make::models([("m", script)]).queue_max(1).start();
    sleep(MS).await;
    let leaver = world.service.submit(request("leaver", "m")).expect("there is room for one");
    assert!(world.service.submit(request("refused", "m")).is_err(), "and for no more");
    drop(leaver);
    sleep(MS).await;
    let stays = world.service.submit(request("stays", "m")).expect("the place is free again");
    let answer = read(stays).await.expect("answered once the model is there");
    assert_eq!(answer.text, "123456789");
    assert!(answer.started.waited >= Duration::from_secs(9), "it waited for the load");
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn leaving_in_prefill_frees_the_lane_within_one_chunk() {
    let world = Make::models([("m", slow_prompt())]).loaded().await;
    let leaver = world.service.submit(long_request("leaver")).expect("there is room");
    let next = world.service.submit(request("next", "m")).expect("there is room");
    sleep(100 * MS).await;
    let holder = world.service.models()[0].lanes[0].holder.clone().expect("somebody holds the lane");
    assert_eq!((holder.request_id.as_str(), holder.phase), ("leaver", Phase::Prefill));
    let left = world.service.uptime();
    drop(leaver);
    let outcome = wait_until_record(&world, "leaver").await;
    assert_eq!((outcome.ended, outcome.phase, outcome.tokens), (Ended::Cancelled, Phase::Prefill, 0));
    let free = outcome.released.expect("the lane went home") - left;
    assert!(free <= 64 * MS, "one chunk takes 64 ms, the lane was free after {free:?}");
    assert_eq!(read(next).await.expect("answered").text, "123456789");
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn leaving_in_decode_frees_the_lane_within_one_token() {
    let world = Make::models([("m", hundred_ms())]).loaded().await;
    let mut leaver = world.service.submit(request("leaver", "m")).expect("there is room");
    let next = world.service.submit(request("next", "m")).expect("there is room");
    leaver.started().await.expect("it runs");
    sleep(25 * MS).await;
    let left = world.service.uptime();
    drop(leaver);
    let outcome = wait_until_record(&world, "leaver").await;
    assert_eq!((outcome.ended, outcome.phase), (Ended::Cancelled, Phase::Decode));
    assert_eq!(outcome.tokens, 3, "tokens of 10 ms each, left after 35 ms");
    let free = outcome.released.expect("the lane went home") - left;
    assert!(free <= 10 * MS, "one token takes 10 ms, the lane was free after {free:?}");
    assert_eq!(read(next).await.expect("answered").text, "123456789");
    world.assert_sound();
}

/// The worst moment: the lane is handed to a client in the instant in which it leaves. It must go on to the next.
#[tokio::test(start_paused = true)]
async fn leaving_in_the_instant_of_the_grant_passes_the_lane_on() {
    for at_ms in 95..105 {
        let world = Make::models([("m", hundred_ms())]).loaded().await;
        let submit = |id| world.service.submit(request(id, "m")).expect("there is room");
        let (first, leaver, last) = (submit("first"), submit("leaver"), submit("last"));
        let leaving = async move {
            sleep(at_ms * MS).await;
            drop(leaver);
        };
        let (first, (), last) = tokio::join!(read(first), leaving, read(last));
        assert_eq!(first.expect("answered").text, "123456789", "left after {at_ms} ms");
        assert_eq!(last.expect("answered").text, "123456789", "left after {at_ms} ms");
        world.assert_sound();
    }
}
