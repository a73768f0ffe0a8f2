//! The journal: what it holds, that it is the same twice, and that it is bounded.

use std::sync::Arc;

use backend::conformance::kit;
use backend::{Backend, FinishReason};
use backend_mock::{Entry, Fault, Hold, Leave, MockBackend, MockConfig, ModelScript, Visit, What};
use futures_util::future;

use crate::kit::{Bench, ms, slow, spec};

fn visit(call: u64) -> Visit {
    Visit { model: "fast".into(), lane: 0, call }
}

#[tokio::test(start_paused = true)]
async fn the_journal_tells_who_was_in_the_engine_and_when() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("ab").await;
    kit::run(bench.lane.as_mut(), request.clone()).await;
    kit::cancel_after_tokens(bench.lane.as_mut(), request, 1).await;
    bench.lane.quiesce().await;
    bench.lane.reset().await.unwrap();

    let entries: Vec<_> = bench.journal.entries().into_iter().skip(2).map(|e| (e.at.as_millis(), e.what)).collect();
    let enter = |call| What::Enter { visit: visit(call), asked: "Repeat after me: ab".into() };
    let leave = |call, tokens, how| What::Leave { visit: visit(call), tokens, how };
    assert_eq!(
        entries,
        [
            (0, enter(1)),
            (32, What::FirstToken { visit: visit(1) }),
            (52, leave(1, 3, Leave::Finished(FinishReason::Stop))),
            (52, enter(2)),
            (84, What::FirstToken { visit: visit(2) }),
            (154, leave(2, 1, Leave::Cancelled)),
            (154, What::Reset { visit: visit(0), rebuilt: true }),
        ]
    );
    let held = |call, from, until, how| Hold { visit: visit(call), from: ms(from), until: Some((ms(until), how)) };
    assert_eq!(
        bench.journal.holds("fast"),
        [held(1, 0, 52, Leave::Finished(FinishReason::Stop)), held(2, 52, 154, Leave::Cancelled)]
    );
    assert_eq!(bench.journal.holds("deep"), []);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_goes_on_has_no_end() {
    let mut bench = Bench::new(slow()).await;
    let request = bench.repeat("ab").await;
    let stream = bench.lane.generate(request);
    tokio::time::sleep(ms(30)).await;
    assert_eq!(bench.journal.holds("fast"), [Hold { visit: visit(1), from: ms(0), until: None }]);
    drop(stream);
}

/// Two models of two lanes under mixed load, with faults and cancels.
async fn history() -> Vec<Entry> {
    let script =
        |faults: &[(u64, Fault)]| ModelScript { load_time: ms(5), faults: faults.iter().copied().collect(), ..slow() };
    let faults = [(2, Fault::FailAfter { tokens: 3 }), (5, Fault::IgnoreCancelFor { tokens: 4 })];
    let config = MockConfig::default().with_model("fast", script(&faults)).with_model("deep", script(&[]));
    let mock = MockBackend::new(config);
    let mut work = Vec::new();
    for name in ["fast", "deep"] {
        let mut model = mock.load(backend::ModelSpec { name: name.into(), ..spec(2) }, Arc::new(|_| {})).await.unwrap();
        for (index, mut lane) in std::mem::take(&mut model.lanes).into_iter().enumerate() {
            let mut request = kit::request(&model, kit::chat("Tell me something.")).await;
            request.options.sampling.temperature = 1.0;
            work.push(async move {
                for seed in 0..4 {
                    request.options.sampling.seed = seed;
                    if (index + seed as usize).is_multiple_of(3) {
                        drop(lane.generate(request.clone()));
                        lane.quiesce().await;
                    } else {
                        kit::run(lane.as_mut(), request.clone()).await;
                    }
                }
            });
        }
    }
    future::join_all(work).await;
    mock.journal().entries()
}

#[tokio::test(start_paused = true)]
async fn the_same_requests_give_the_same_journal_twice() {
    let first = history().await;
    assert!(first.len() > 40, "{} entries are no mixed load", first.len());
    assert_eq!(first, history().await);
}

#[tokio::test(start_paused = true)]
async fn the_journal_forgets_the_oldest_entries_first() {
    let config = MockConfig { journal_max: 4, ..MockConfig::default() };
    let mut bench = Bench::with(config.with_model("fast", ModelScript::default())).await;
    for _ in 0..10 {
        kit::check_as_new(&bench.model, bench.lane.as_mut()).await;
    }
    assert_eq!(bench.journal.entries().len(), 4);
    // Two entries about the load and three a call.
    assert_eq!(bench.journal.n_forgotten(), 2 + 3 * 10 - 4);
    assert_eq!(bench.journal.holds("fast").len(), 1);
}
