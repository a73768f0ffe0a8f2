//! Each fault does what it says, and leaves the lane as it says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use backend::conformance::kit::{self, Answer};
use backend::{Backend, GenerateError, ModelSpec};
use backend_mock::{Fault, Leave, MockBackend, MockConfig, ModelScript, Rebuild};
use futures_util::{FutureExt, StreamExt};

use crate::kit::{Bench, ms, panic_text, slow, spec};

/// A model whose second call goes wrong.
async fn bench(fault: Fault) -> Bench {
    let mut bench = Bench::new(ModelScript { faults: [(2, fault)].into(), ..slow() }).await;
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
    bench
}

async fn call(bench: &mut Bench) -> Answer {
    let request = bench.repeat("hello").await;
    kit::run(bench.lane.as_mut(), request).await
}

fn last_leave(bench: &Bench) -> Option<Leave> {
    bench.journal.holds("fast").last().and_then(|hold| hold.until).map(|(_, how)| how)
}

/// Calls are counted by model: over its lanes, over its loads, and beside other models.
#[tokio::test(start_paused = true)]
async fn a_fault_meets_the_nth_call_of_its_model() {
    let faulty = ModelScript { faults: [(5, Fault::FailBeforeFirstToken)].into(), ..slow() };
    let mock = MockBackend::new(MockConfig::default().with_model("fast", faulty).with_model("deep", slow()));
    let mut failed = Vec::new();
    for load in ["fast", "deep", "fast"] {
        let wanted = ModelSpec { name: load.into(), ..spec(3) };
        let mut model = mock.load(wanted, Arc::new(|_| {})).await.unwrap();
        for mut lane in std::mem::take(&mut model.lanes) {
            let request = kit::request(&model, kit::repeat("hello")).await;
            failed.push(kit::run(lane.as_mut(), request).await.error.is_some());
        }
    }
    let fails = |index: usize| index == 7;
    assert_eq!(failed, (0..9).map(fails).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn fail_before_first_token_gives_nothing_but_the_error() {
    let mut bench = bench(Fault::FailBeforeFirstToken).await;
    let before = bench.now();
    let answer = call(&mut bench).await;
    assert_eq!(answer.events, []);
    assert!(matches!(answer.error, Some(GenerateError::Failed { .. })));
    assert_eq!(bench.now(), before);
    assert_eq!(last_leave(&bench), Some(Leave::Failed));
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn fail_after_gives_so_many_tokens_and_the_error() {
    for (tokens, text) in [(0, ""), (3, "hel")] {
        let mut bench = bench(Fault::FailAfter { tokens }).await;
        let answer = call(&mut bench).await;
        assert_eq!(answer.text(), text);
        assert_eq!(answer.token_texts().count(), tokens as usize);
        assert!(matches!(answer.error, Some(GenerateError::Failed { .. })));
        kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_beyond_the_answer_leaves_it_in_peace() {
    let mut bench = bench(Fault::FailAfter { tokens: 6 }).await;
    assert_eq!(call(&mut bench).await.text(), "hello");
}

/// The poll panics, not a task in the background, and the lane refuses to work until it has been reset.
#[tokio::test(start_paused = true)]
async fn panic_after_panics_in_the_poll_and_wants_a_reset() {
    let mut bench = bench(Fault::PanicAfter { tokens: 2 }).await;
    let request = bench.repeat("hello").await;
    let mut stream = bench.lane.generate(request);
    let mut n_items = 0;
    let panic = loop {
        match AssertUnwindSafe(stream.next()).catch_unwind().await {
            Ok(item) => assert!(item.is_some_and(|item| item.is_ok())),
            Err(panic) => break panic,
        }
        n_items += 1;
    };
    assert_eq!(n_items, 1 + 2);
    assert_eq!(panic_text(panic), "the script says that this call panics");
    drop(stream);
    bench.lane.quiesce().await;
    assert_eq!(last_leave(&bench), Some(Leave::Panicked));

    let answer = call(&mut bench).await;
    assert!(matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{answer:?}");
    assert_eq!(last_leave(&bench), Some(Leave::Broken));
    bench.lane.reset().await.unwrap();
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
}

/// A lane whose holder panicked was not quiesced by it. Reset waits for the engine by itself.
#[tokio::test(start_paused = true)]
async fn reset_waits_for_the_lanes_own_work() {
    let mut bench = bench(Fault::IgnoreCancelFor { tokens: 1 }).await;
    let request = bench.repeat("hello").await;
    let before = bench.now();
    drop(bench.lane.generate(request));
    bench.lane.reset().await.unwrap();
    assert_eq!(bench.now() - before, ms(10 + 70));
    assert_eq!(bench.journal.n_overlaps(), 0);
}

#[tokio::test(start_paused = true)]
async fn hang_after_says_nothing_until_it_is_cancelled() {
    let mut bench = bench(Fault::HangAfter { tokens: 2 }).await;
    let request = bench.repeat("hello").await;
    let mut stream = bench.lane.generate(request);
    for _ in 0..3 {
        assert!(stream.next().await.is_some());
    }
    assert!(tokio::time::timeout(ms(86_400_000), stream.next()).await.is_err(), "a day is not enough");
    drop(stream);
    let dropped = bench.now();
    bench.lane.quiesce().await;
    assert_eq!(bench.now() - dropped, ms(70));
    assert_eq!(last_leave(&bench), Some(Leave::Cancelled));
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn ignore_cancel_for_goes_on_for_so_many_tokens() {
    let mut bench = bench(Fault::IgnoreCancelFor { tokens: 12 }).await;
    let request = bench.repeat("hello").await;
    kit::cancel_after_tokens(bench.lane.as_mut(), request, 2).await;
    let dropped = bench.now();
    bench.lane.quiesce().await;
    assert_eq!(bench.now() - dropped, 12 * ms(10) + ms(70));
    kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn break_lane_after_breaks_it_until_a_reset_works() {
    for failures in [0, 2] {
        let mut bench = bench(Fault::BreakLaneAfter { tokens: 3, rebuild: Rebuild::AfterFailures(failures) }).await;
        let answer = call(&mut bench).await;
        assert_eq!(answer.text(), "hel");
        assert!(matches!(answer.error, Some(GenerateError::LaneBroken { .. })));
        for _ in 0..failures {
            assert!(bench.lane.reset().await.is_err());
            let still = call(&mut bench).await;
            assert!(matches!(still.error, Some(GenerateError::LaneBroken { .. })), "{still:?}");
        }
        bench.lane.reset().await.unwrap();
        kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_may_be_beyond_repair() {
    let mut bench = bench(Fault::BreakLaneAfter { tokens: 0, rebuild: Rebuild::Never }).await;
    call(&mut bench).await;
    for _ in 0..100 {
        assert!(bench.lane.reset().await.is_err());
    }
}
