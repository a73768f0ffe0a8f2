//! What goes wrong, on schedule and by a seed.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{ask, chat, journal, mock, post, send, stream};

/// A model whose tokens are bytes: faults can be counted by letters.
fn bytes(rest: &str) -> String {
    format!("[[models]]\nname = \"fast\"\nbytes_per_token = 1\n{rest}")
}

#[tokio::test(start_paused = true)]
async fn the_third_call_fails_and_no_other() {
    let mock = mock("[[faults]]\ncalls = [3]\nfault = { fail = true }\n[[rules]]\nreply = \"ok\"\n");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask(&mock, "x").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_status_with_retry_after_comes_from_the_script_once() {
    let mock = mock("[[rules]]\nreply = [{ fault = { status = 429, retry_after = \"7s\" } }, \"now\"]\n");
    let first = stream(&mock, "x").await;
    assert_eq!((first.status, first.headers["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "7"));
    assert_eq!(first.json()["error"]["code"], "scripted_fault");
    assert_eq!(stream(&mock, "x").await.streamed(), "now");
}

#[tokio::test(start_paused = true)]
async fn an_answer_stops_after_so_many_tokens() {
    let mock = mock(&bytes("[[rules]]\nreply = { text = \"abcdefgh\", fault = { stop_after = 4 } }\n"));
    let answer = ask(&mock, "x").await;
    assert_eq!(answer.content(), "abcd");
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "length");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_ends_with_an_error_and_without_done() {
    for fault in ["fail_after", "panic_after", "break_lane_after"] {
        let mock = mock(&bytes(&format!(
            "[[rules]]\nreply = [{{ text = \"abcdef\", fault = {{ {fault} = 3 }} }}, \"fine\"]\n"
        )));
        let answer = stream(&mock, "x").await;
        assert_eq!(answer.streamed(), "abc", "{fault}");
        let last = answer.events().pop().unwrap();
        assert!(last.contains("\"error\"") && answer.is_whole, "{fault}: {answer:?}");
        // The lane is rebuilt, and the next one is served.
        assert_eq!(stream(&mock, "x").await.streamed(), "fine", "{fault}");
    }
}

/// Method: the connection ends without the end of the body, and what came before is there.
#[tokio::test(start_paused = true)]
async fn a_connection_is_cut_after_so_many_events() {
    let mock = mock(&bytes("[[rules]]\nreply = [{ text = \"abcdef\", fault = { disconnect_after = 2 } }, \"fine\"]\n"));
    let cut = stream(&mock, "x").await;
    assert_eq!((cut.status, cut.is_whole, cut.streamed().as_str()), (StatusCode::OK, false, "ab"), "{cut:?}");
    assert_eq!(ask(&mock, "x").await.content(), "fine");
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    assert_eq!(journal["requests"][0]["faults"], json!(["disconnect"]));
    assert_eq!(journal["requests"][0]["answered"], false);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_cut_in_the_middle() {
    let mock = mock("[[faults]]\nfault = { disconnect_after = 0 }\n");
    let cut = ask(&mock, "Count from 1 to 9").await;
    assert!(!cut.is_whole && !cut.text.is_empty() && serde_json::from_str::<serde_json::Value>(&cut.text).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_malformed_event_comes_after_so_many_good_ones() {
    let mock = mock(&bytes("[[rules]]\nreply = { text = \"abcdef\", fault = { malformed_after = 3 } }\n"));
    let spoilt = stream(&mock, "x").await;
    assert_eq!(spoilt.streamed(), "abc");
    let last = spoilt.events().pop().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(last).is_err() && spoilt.is_whole, "{spoilt:?}");
    let whole = ask(&mock, "x").await;
    assert!(serde_json::from_str::<serde_json::Value>(&whole.text).is_err() && whole.is_whole, "{whole:?}");
}

/// Method: the clock is virtual, so the times are exact: 3 tokens of 10 ms and the one that ends the answer, after the
/// prompt.
#[tokio::test(start_paused = true)]
async fn time_is_as_the_script_says() {
    let script = "time_per_token = \"10ms\"\n[[rules]]\nreply = [\"abc\", { text = \"abc\", prefill = \"2s\" }, \
                  { text = \"abc\", fault = { slow_prefill = \"3s\" } }, { text = \"abc\", time_per_token = \"1s\" }]\n";
    let mock = mock(&bytes(script));
    let mut took = Vec::new();
    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(ask(&mock, "x").await.content(), "abc");
        took.push(begun.elapsed().as_millis());
    }
    assert_eq!(took, [40, 2040, 3040, 4000]);
}

/// Jitter changes the time, stays within its bound, and is the same for the same seed.
#[tokio::test(start_paused = true)]
async fn jitter_comes_from_the_seed() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let script = format!("seed = {seed}\n{}", bytes("time_per_token = \"10ms\"\njitter_percent = 50\n"));
        let mock = mock(&script);
        let mut times = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            ask(&mock, "Repeat after me: 123456789").await;
            times.push(begun.elapsed());
        }
        assert!(times.iter().all(|time| *time > Duration::from_millis(50) && *time < Duration::from_millis(150)));
        runs.push(times);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_the_same_for_the_same_seed() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let mock = mock(&format!("seed = {seed}\n[[faults]]\nchance = 0.3\nfault = {{ fail = true }}\n"));
        let mut failed = Vec::new();
        for call in 0..40 {
            if ask(&mock, "x").await.status == StatusCode::INTERNAL_SERVER_ERROR {
                failed.push(call);
            }
        }
        assert!((4..25).contains(&failed.len()), "{failed:?}");
        runs.push(failed);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

/// Refuses to load twice, then succeeds: who asks meanwhile waits, as for any load.
#[tokio::test(start_paused = true)]
async fn a_model_that_fails_to_load_twice_is_loaded_the_third_time() {
    let mock = mock(&bytes("load_time = \"1s\"\nload_failures = 2\nload_retry = \"3s\"\n"));
    let begun = Instant::now();
    assert_eq!(ask(&mock, "Count from 1 to 2").await.content(), "1 2");
    assert_eq!(begun.elapsed(), Duration::from_secs(9));
    let given_up = crate::support::mock(&bytes("load_failures = 1\n"));
    assert_eq!(ask(&given_up, "x").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Method: one request is in the model and hangs, one waits, and there is no room for a third.
#[tokio::test(start_paused = true)]
async fn a_hanging_call_fills_the_real_queue_until_its_client_leaves() {
    let mock = mock(&bytes("queue_max = 1\n[[faults]]\ncalls = [1]\nfault = { hang_after = 1 }\n"));
    let hanging = {
        let mock = mock.clone();
        tokio::spawn(async move { stream(&mock, "Count from 1 to 9").await })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting = {
        let mock = mock.clone();
        tokio::spawn(async move { ask(&mock, "Count from 1 to 3").await.content() })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = ask(&mock, "x").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (429, &json!("queue_full")));
    hanging.abort();
    assert_eq!(waiting.await.unwrap(), "1 2 3");
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    let seen = |n: usize, key: &str| journal["requests"][n][key].clone();
    assert_eq!((seen(0, "outcome"), seen(0, "phase")), (json!("cancelled"), json!("decode")));
    assert_eq!((seen(1, "outcome"), seen(1, "ticket")), (json!("finished"), json!(2)));
    assert_eq!((seen(2, "outcome"), seen(2, "ticket")), (json!("refused"), json!(null)));
    assert_eq!(journal["overlaps"], 0);
}

/// A client that leaves is not free for an engine that does not listen: its lane goes home later.
#[tokio::test(start_paused = true)]
async fn an_engine_that_ignores_the_cancel_holds_its_lane_for_so_many_tokens() {
    let mock = mock(&bytes("time_per_token = \"10ms\"\n[[faults]]\ncalls = [1]\nfault = { ignore_cancel_for = 50 }\n"));
    let left = tokio::time::timeout(Duration::from_millis(35), stream(&mock, "Count from 1 to 99"));
    left.await.expect_err("it goes on for longer");
    let begun = Instant::now();
    post(&mock, &[], &chat("Repeat after me: ")).await.content();
    let waited = begun.elapsed();
    assert!((Duration::from_millis(490)..Duration::from_millis(530)).contains(&waited), "{waited:?}");
}

/// A cold start, as a client meets it: the model is there, then it is let go, and the next request waits for the load.
#[tokio::test(start_paused = true)]
async fn a_model_that_was_idle_is_loaded_again_for_the_next_request() {
    let mock = mock(&bytes("load_time = \"3s\"\nunload_after = \"1m\"\n"));
    let mut took = Vec::new();
    for pause in [0, 59, 61] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let begun = Instant::now();
        assert_eq!(ask(&mock, "Count from 1 to 2").await.content(), "1 2");
        took.push(begun.elapsed().as_secs());
    }
    assert_eq!(took, [3, 0, 3]);
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    assert_eq!((&journal["requests"][2]["waited_ms"], &journal["overlaps"]), (&json!(3000.0), &json!(0)));
}

/// Method: the model is idle and let go; its second and third load fail, as of a file that is replaced meanwhile. Who asks is
/// told at the end of the load, and when to come back; who comes earlier is told at once; who comes back is served.
#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_be_loaded_again_says_when_to_come_back() {
    let mock = mock(&bytes("load_time = \"3s\"\nunload_after = \"1m\"\nfailed_loads = [2, 3]\n"));
    ask(&mock, "Count from 1 to 2").await.content();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let begun = Instant::now();
    let told = async || {
        let answer = ask(&mock, "Count from 1 to 2").await;
        let after = answer.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status.as_u16(), after, begun.elapsed().as_millis())
    };
    assert_eq!(told().await, (503, Some("1".into()), 3000));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(told().await, (503, Some("1".into()), 3500));
    let get = async |path| send(&mock, Method::GET, path, &[], String::new()).await.json();
    let (health, status, ready) = (get("/health").await, get("/models/status").await, get("/ready").await);
    assert_eq!(health["models_failed"], json!(["fast"]));
    assert_eq!(
        (&ready["models"]["fast"]["state"], &ready["models"]["fast"]["retry_after_s"]),
        (&json!("failed"), &json!(0.5))
    );
    assert!(
        status["slots"]["fast"]["failure"].as_str().is_some_and(|why| why.contains("could not be loaded")),
        "{status}"
    );
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(told().await, (503, Some("2".into()), 7000), "it was tried again meanwhile");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(told().await, (200, None, 12_000));
    assert_eq!(get("/health").await["models_failed"], json!([]));
}
