//! Loading: time, progress, failures, settings.

use std::sync::{Arc, Mutex};

use backend::conformance::kit;
use backend::{Backend, FinishReason, LoadError, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript, What};
use tokio::time::Instant;

use crate::kit::{ms, spec};

fn mock(script: ModelScript) -> MockBackend {
    MockBackend::new(MockConfig::default().with_model("fast", script))
}

fn whats(mock: &MockBackend) -> Vec<(u128, What)> {
    mock.journal().entries().into_iter().map(|entry| (entry.at.as_millis(), entry.what)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_load_takes_its_time_and_reports_every_part() {
    let mock = mock(ModelScript { load_time: ms(500), weight_bytes: 7, ..ModelScript::default() });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let progress = {
        let heard = Arc::clone(&heard);
        Arc::new(move |share: f32| heard.lock().unwrap().push((start.elapsed(), share)))
    };
    let model = mock.load(spec(3), progress).await.unwrap();
    assert_eq!(start.elapsed(), ms(500));
    assert_eq!((model.lanes.len(), model.info.weight_bytes), (3, 7));
    let expected: Vec<_> = (0..=10u8).map(|part| (u32::from(part) * ms(50), f32::from(part) / 10.0)).collect();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn loads_fail_as_often_as_scripted_and_the_journal_tells() {
    let mock = mock(ModelScript { load_time: ms(100), load_failures: 2, ..ModelScript::default() });
    for _ in 0..2 {
        let failed = mock.load(spec(1), Arc::new(|share| assert!(share < 1.0))).await;
        assert!(matches!(failed, Err(LoadError::Failed { .. })));
    }
    drop(mock.load(spec(1), Arc::new(|_| {})).await.unwrap());
    let model: Arc<str> = "fast".into();
    let started = || What::LoadStarted { model: model.clone() };
    let failed = || What::LoadFailed { model: model.clone() };
    assert_eq!(
        whats(&mock),
        [
            (0, started()),
            (100, failed()),
            (100, started()),
            (200, failed()),
            (200, started()),
            (300, What::Loaded { model: model.clone(), lanes: 1 }),
            (300, What::Unloaded { model: model.clone() }),
        ]
    );
}

/// As of a file that is replaced while the model is away.
#[tokio::test(start_paused = true)]
async fn a_load_fails_by_its_number_and_one_that_was_abandoned_has_none() {
    let mock = mock(ModelScript { load_time: ms(100), failed_loads: [2, 4].into(), ..ModelScript::default() });
    let load = async || mock.load(spec(1), Arc::new(|_| {})).await.is_ok();
    let abandoned = tokio::time::timeout(ms(99), mock.load(spec(1), Arc::new(|_| {}))).await;
    assert!(abandoned.is_err());
    assert_eq!(
        [load().await, load().await, load().await, load().await, load().await],
        [true, false, true, false, true]
    );
}

/// A lane that is dropped takes its engine along only when that has stopped.
#[tokio::test(start_paused = true)]
async fn unloaded_means_that_the_engine_has_stopped() {
    let mock = mock(ModelScript { stop_delay: ms(70), time_per_token: ms(10), ..ModelScript::default() });
    let mut model = mock.load(spec(1), Arc::new(|_| {})).await.unwrap();
    let mut lane = kit::only_lane(&mut model);
    let request = kit::request(&model, kit::count()).await;
    drop(lane.generate(request));
    drop((lane, model));
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(whats(&mock).last(), Some(&(70, What::Unloaded { model: "fast".into() })));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_load_leaves_nothing_behind() {
    let mock = mock(ModelScript { load_time: ms(100), load_failures: 1, ..ModelScript::default() });
    let abandoned = tokio::time::timeout(ms(99), mock.load(spec(1), Arc::new(|_| {}))).await;
    assert!(abandoned.is_err());
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(whats(&mock), [(0, What::LoadStarted { model: "fast".into() })]);
    // It has not used up the failure either.
    assert!(mock.load(spec(1), Arc::new(|_| {})).await.is_err());
    assert!(mock.load(spec(1), Arc::new(|_| {})).await.is_ok());
}

#[tokio::test]
async fn settings_that_no_engine_takes_are_refused() {
    let mock = mock(ModelScript::default());
    let refused = async |spec| match mock.load(spec, Arc::new(|_| {})).await {
        Err(LoadError::Setting { setting, .. }) => setting,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was taken"),
    };
    assert_eq!(refused(spec(0)).await, "lanes");
    assert_eq!(refused(ModelSpec { threads: 0, ..spec(1) }).await, "threads");
    assert_eq!(refused(ModelSpec { context_len: 1, ..spec(1) }).await, "context_len");
    let unknown = mock.load(ModelSpec { name: "slow".into(), ..spec(1) }, Arc::new(|_| {})).await;
    assert!(matches!(unknown, Err(LoadError::Unusable { model, .. }) if model == "slow"));
    assert_eq!(mock.journal().entries(), [], "what was refused has not begun");
}

/// The context is the script's unless the load asks for another, and it is counted to the token.
#[tokio::test]
async fn the_context_is_as_long_as_was_asked_for() {
    let mock = mock(ModelScript { context_len: 100, ..ModelScript::default() });
    for (asked, expected) in [(0, 100), (60, 60), (200, 200)] {
        let mut model = mock.load(ModelSpec { context_len: asked, ..spec(1) }, Arc::new(|_| {})).await.unwrap();
        assert_eq!(model.info.context_len, expected);
        let mut lane = kit::only_lane(&mut model);
        // 21 bytes and three marks.
        let answer =
            kit::run(lane.as_mut(), kit::request(&model, kit::chat("Count from 1 to 9999!".replace('!', ""))).await)
                .await;
        assert_eq!(answer.reason(), FinishReason::Length);
        assert_eq!(answer.finish().usage.completion_tokens, expected - 23);
    }
}
