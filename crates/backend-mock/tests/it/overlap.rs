//! A second entry is noticed, whenever it comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backend::Backend;
use backend::conformance::kit;
use backend_mock::{Leave, MockBackend, MockConfig, OnOverlap, What};
use futures_util::FutureExt;

use crate::kit::{Bench, ms, panic_text, slow, spec};

/// Lets a generation of 85 ms run until `drop_at`, drops its stream, and enters again `later` after that.
/// Returns whether that panicked.
async fn enters_again(drop_at: u64, later: u64) -> bool {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    let stream = bench.lane.generate(request.clone());
    tokio::time::sleep(ms(drop_at)).await;
    drop(stream);
    tokio::time::sleep(ms(later)).await;
    let second = catch_unwind(AssertUnwindSafe(|| drop(bench.lane.generate(request))));
    let overlaps = bench.journal.overlaps();
    assert_eq!(bench.journal.n_overlaps(), overlaps.len() as u64);
    match second {
        Ok(()) => assert_eq!(overlaps, []),
        Err(panic) => {
            assert!(panic_text(panic).contains("engine entered twice: fast#2 on lane 0"));
            let [overlap] = overlaps.as_slice() else { panic!("one overlap, not {overlaps:?}") };
            assert_eq!(overlap.at, ms(drop_at + later));
            assert!(matches!(&overlap.what, What::Overlap { visit, inside } if (visit.call, inside.call) == (2, 1)));
            return true;
        }
    }
    false
}

/// Method: the stream is dropped at every millisecond of a generation, and the lane entered again around the end of
/// the stop delay.
#[tokio::test(start_paused = true)]
async fn entering_before_the_engine_has_stopped_is_noticed_at_every_moment() {
    for drop_at in 0..85 {
        for later in [0, 1, 35, 69] {
            assert!(enters_again(drop_at, later).await, "dropped at {drop_at} ms, entered {later} ms later");
        }
        assert!(!enters_again(drop_at, 71).await, "dropped at {drop_at} ms: the engine has stopped by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn entering_after_the_answer_is_complete_is_no_overlap() {
    assert!(!enters_again(86, 0).await);
}

/// The flag is set by the call, not by the first poll: a lane handed on in between would be entered twice.
#[tokio::test(start_paused = true)]
async fn a_stream_that_was_never_polled_has_entered_too() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    drop(bench.lane.generate(request.clone()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(bench.lane.generate(request)))).is_err());
    assert_eq!(bench.journal.n_overlaps(), 1);
}

/// Method: quiesce is given up on, which must not count as having waited.
#[tokio::test(start_paused = true)]
async fn giving_up_on_quiesce_is_not_waiting_for_it() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("hello").await;
    drop(bench.lane.generate(request.clone()));
    assert!(tokio::time::timeout(ms(69), bench.lane.quiesce()).await.is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(bench.lane.generate(request.clone())))).is_err());
    bench.lane.quiesce().await;
    let answer = kit::run(bench.lane.as_mut(), request).await;
    assert_eq!(answer.text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn an_overlap_can_be_recorded_without_a_panic() {
    let config = MockConfig { on_overlap: OnOverlap::Record, ..MockConfig::default() };
    let mut bench = Bench::with(config.with_model("fast", slow())).await;
    let request = bench.repeat("hello").await;
    drop(bench.lane.generate(request.clone()));
    let answer = kit::run(bench.lane.as_mut(), request).await;
    assert_eq!(answer.text(), "hello");
    assert_eq!(bench.journal.overlaps().len(), 1);
    let [first, second] = bench.journal.holds("fast").try_into().expect("both entered");
    assert_eq!((first.from, first.until), (ms(0), Some((ms(70), Leave::Cancelled))));
    assert_eq!((second.from, second.until.map(|(at, _)| at)), (ms(0), Some(ms(85))));
    // Quiesce waited for both.
    assert!(bench.lane.quiesce().now_or_never().is_some());
}

/// Lanes with an engine each do not disturb each other.
#[tokio::test(start_paused = true)]
async fn two_engines_at_once_are_no_overlap() {
    let mock = MockBackend::new(MockConfig::default().with_model("fast", slow()));
    let mut model = mock.load(spec(2), Arc::new(|_| {})).await.unwrap();
    let mut lanes = std::mem::take(&mut model.lanes);
    let request = kit::request(&model, kit::repeat("hello")).await;
    let streams: Vec<_> = lanes.iter_mut().map(|lane| lane.generate(request.clone())).collect();
    for stream in streams {
        assert_eq!(kit::collect(stream).await.text(), "hello");
    }
    assert_eq!(mock.journal().n_overlaps(), 0);
    let holds = mock.journal().holds("fast");
    assert_eq!(holds[0].from, holds[1].from);
}

/// What a lock does that lets everybody in.
#[cfg(feature = "canary")]
mod canary {
    use super::*;

    fn shared() -> MockConfig {
        MockConfig { shared_engine: true, ..MockConfig::default() }.with_model("fast", slow())
    }

    #[tokio::test(start_paused = true)]
    async fn two_handles_onto_one_engine_are_noticed() {
        let mock = MockBackend::new(shared());
        let mut model = mock.load(spec(2), Arc::new(|_| {})).await.unwrap();
        let mut lanes = std::mem::take(&mut model.lanes);
        let request = kit::request(&model, kit::repeat("hello")).await;
        let [one, two] = lanes.as_mut_slice() else { panic!("two lanes were asked for") };
        let stream = one.generate(request.clone());
        let second = catch_unwind(AssertUnwindSafe(|| drop(two.generate(request.clone()))));
        assert!(
            panic_text(second.unwrap_err()).contains("fast#2 on lane 1 came in while it worked for fast#1 on lane 0")
        );
        let reset = AssertUnwindSafe(two.reset()).catch_unwind().await;
        assert!(reset.is_err(), "an engine that works must not be reset");
        assert_eq!(mock.journal().n_overlaps(), 2);

        // The first comer is not disturbed, and one after the other is fine.
        assert_eq!(kit::collect(stream).await.text(), "hello");
        one.quiesce().await;
        assert_eq!(kit::text_of(two.as_mut(), request).await, "hello");
        assert_eq!(mock.journal().n_overlaps(), 2);
    }
}
