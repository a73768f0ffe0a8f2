//! Everything takes exactly as long as the script says, in virtual time.

use std::time::Duration;

use backend::conformance::kit;
use backend::{Event, FinishReason};
use backend_mock::ModelScript;
use futures_util::{FutureExt, StreamExt};

use crate::kit::{Bench, ms, slow};

#[tokio::test(start_paused = true)]
async fn a_generation_takes_the_time_of_its_prompt_and_of_each_token() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    // "Repeat after me: hello" has 22 bytes; three marks make it a chat.
    let prompt_time = ms(22 + 3);
    let answer = kit::run(bench.lane.as_mut(), request).await;
    assert_eq!(answer.finish().usage.prompt_tokens, 25);
    assert_eq!(answer.finish().usage.completion_tokens, 6);
    assert_eq!(bench.now(), prompt_time + 6 * ms(10));
}

#[tokio::test(start_paused = true)]
async fn each_event_comes_when_it_is_due() {
    let script = ModelScript { prefill_chunk: 10, ..slow() };
    let mut bench = Bench::new(script).await;
    let request = bench.repeat("ab").await;
    let journal = bench.journal.clone();
    let start = bench.now();
    let begun = tokio::time::Instant::now();
    let mut stream = bench.lane.generate(request);
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        let what = match event.unwrap() {
            Event::Prompt { processed, total } => format!("{processed}/{total}"),
            Event::Token(token) => token.text,
            Event::Finish(finish) => format!("{:?}", finish.reason),
            other => panic!("{other:?}"),
        };
        seen.push((begun.elapsed().as_millis(), what));
    }
    let due = [(10, "10/22"), (20, "20/22"), (22, "22/22"), (32, "a"), (42, "b"), (52, ""), (52, "Stop")];
    assert_eq!(seen, due.map(|(at, what)| (at, what.to_string())));
    assert_eq!(journal.holds("fast")[0].from, start);
}

/// Timers are as coarse as a millisecond. If each token waited for itself, 400 of them would take 400 ms.
#[tokio::test(start_paused = true)]
async fn many_short_steps_do_not_add_up_their_rounding() {
    let script = ModelScript { time_per_token: Duration::from_micros(100), ..ModelScript::default() };
    let mut bench = Bench::new(script).await;
    let mut request = kit::request(&bench.model, kit::chat("Count from 1 to 1000")).await;
    request.max_tokens = 400;
    assert_eq!(kit::run(bench.lane.as_mut(), request).await.reason(), FinishReason::Length);
    assert!((ms(40)..=ms(41)).contains(&bench.now()), "{:?}", bench.now());
}

#[tokio::test(start_paused = true)]
async fn without_durations_no_time_passes() {
    let mut bench = Bench::new(ModelScript::default()).await;
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
    assert_eq!(bench.now(), ms(0));
}

/// Method: the stream is dropped at every moment of a generation; the engine stops exactly the delay later, and not
/// before.
#[tokio::test(start_paused = true)]
async fn quiesce_resolves_exactly_the_stop_delay_after_the_drop() {
    for dropped_at in 0..85 {
        let mut bench = Bench::new(slow()).await;
        let request = bench.repeat("hello").await;
        let stream = bench.lane.generate(request);
        tokio::time::sleep(ms(dropped_at)).await;
        drop(stream);
        tokio::time::sleep(ms(69)).await;
        assert!(bench.lane.quiesce().now_or_never().is_none(), "dropped at {dropped_at}: still at work");
        bench.lane.quiesce().await;
        assert_eq!(bench.now(), ms(dropped_at + 70), "dropped at {dropped_at}");
    }
}

/// The delay is the answer to being asked to stop: an engine that is done has none.
#[tokio::test(start_paused = true)]
async fn a_complete_answer_has_no_stop_delay() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    let answer = kit::collect(bench.lane.generate(request)).await;
    bench.lane.quiesce().await;
    assert_eq!(answer.reason(), FinishReason::Stop);
    assert_eq!(bench.now(), ms(85));
}

/// The engine runs whether or not anybody reads, until it is as far ahead as it may be.
#[tokio::test(start_paused = true)]
async fn the_engine_works_while_nobody_reads() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    let stream = bench.lane.generate(request);
    tokio::time::sleep(ms(200)).await;
    let answer = kit::collect(stream).now_or_never().expect("everything had been generated");
    assert_eq!(answer.text(), "hello");
}

/// A reader that stands still stops the engine; what it cost is not made up for by working faster.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_engine_down() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat(&"x".repeat(60)).await;
    let mut stream = bench.lane.generate(request);
    tokio::time::sleep(ms(10_000)).await;
    // Two prompt events and 30 tokens are as far as the engine may be ahead; one more token waits to be taken.
    for _ in 0..32 {
        assert!(stream.next().now_or_never().is_some());
    }
    assert!(stream.next().now_or_never().is_none(), "the engine has stopped for its reader");
    let before = tokio::time::Instant::now();
    kit::collect(stream).await.finish();
    // 61 tokens less the 31 that were done.
    assert_eq!(before.elapsed(), 30 * ms(10));
}
