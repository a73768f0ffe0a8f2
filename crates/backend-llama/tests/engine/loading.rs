//! Loading: what is found, progress, other sources, giving up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use backend::conformance::kit;
use backend::{Backend, ModelSource};
use futures_util::FutureExt;

use crate::support;

#[tokio::test]
async fn the_model_is_described() {
    let model = support::load(support::spec(support::fast())).await;
    assert_eq!(model.info.context_len, 1024);
    assert!((800_000..900_000).contains(&model.info.parameters), "{}", model.info.parameters);
    assert!((800_000..1_000_000).contains(&model.info.weight_bytes), "{}", model.info.weight_bytes);
    assert_eq!(model.lanes.len(), 1);
}

#[tokio::test]
async fn a_context_is_as_asked_and_no_longer_than_the_model_knows() {
    for (asked, given) in [(256, 256), (300, 300), (1024, 1024), (4096, 1024)] {
        let mut spec = support::spec(support::fast());
        spec.context_len = asked;
        let mut model = support::load(spec).await;
        assert_eq!(model.info.context_len, given);
        let mut lane = kit::only_lane(&mut model);
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

#[tokio::test]
async fn progress_rises_to_one() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&seen);
    let progress = Arc::new(move |share| hear.lock().unwrap().push(share));
    support::backend().load(support::spec(support::fast()), progress).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&1.0));
}

/// A listener that panics must not unwind through llama.cpp, which would end the process.
#[tokio::test]
async fn a_panic_in_the_progress_listener_ends_the_load_only() {
    let progress = Arc::new(|_| panic!("a listener's bug"));
    assert!(support::backend().load(support::spec(support::fast()), progress).await.is_err());
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// The program carries its demo models inside; nothing of that is left in the file system.
#[tokio::test]
async fn a_built_in_model_answers_like_its_file() {
    let bytes: &'static [u8] = std::fs::read(support::fast()).unwrap().leak();
    let mut spec = support::spec(PathBuf::new());
    spec.source = ModelSource::Embedded(bytes);
    let mut model = support::load(spec).await;
    let mut lane = kit::only_lane(&mut model);
    kit::check_as_new(&model, lane.as_mut()).await;
}

#[tokio::test]
async fn models_answer_as_themselves() {
    for (file, answer) in
        [("edison-demo-fast.gguf", "I am the fast tier."), ("edison-demo-deep.gguf", "I am the deep tier.")]
    {
        let mut model = support::load(support::spec(support::fixture(file))).await;
        let mut lane = kit::only_lane(&mut model);
        let request = kit::request(&model, kit::chat("Which tier are you?")).await;
        assert_eq!(kit::text_of(lane.as_mut(), request).await, answer);
    }
}

/// A load may be given up at its first await; the next one is not disturbed.
#[tokio::test]
async fn an_abandoned_load_leaves_nothing_behind() {
    for _ in 0..5 {
        let abandoned = support::backend().load(support::spec(support::fast()), support::silent()).now_or_never();
        assert!(abandoned.is_none(), "a load takes longer than one poll");
    }
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// A name is whatever the configuration says, and a thread's name cannot hold a NUL.
#[tokio::test]
async fn any_name_will_do() {
    for name in ["", "a\0b", "a name that is longer than the fifteen bytes of a thread's name", "模型"] {
        let mut spec = support::spec(support::fast());
        spec.name = name.to_string();
        support::load(spec).await;
    }
}

/// What a model takes is told without loading it, and from what it will be loaded with.
#[tokio::test]
async fn the_memory_of_a_model_is_estimated_before_it_is_loaded() {
    let mut spec = support::spec(support::fast());
    let backend = support::backend();
    let alone = backend.estimate(&spec).await.expect("it is a model").expect("it is a file");
    let loaded = support::load(spec.clone()).await;
    assert_eq!(alone.weights, loaded.info.weight_bytes);
    // Four layers, four heads of 32, keys and values, two bytes each, 1024 tokens.
    assert_eq!(alone.cache, 4 * 4 * (32 + 32) * 2 * 1024);
    (spec.lanes, spec.tuning.replicas, spec.context_len) = (2, 3, 512);
    let several = backend.estimate(&spec).await.expect("it is a model").expect("it is a file");
    assert_eq!((several.weights, several.cache), (alone.weights, alone.cache * 3));
    assert!(several.compute > alone.compute * 2);
    // A lane more is one more token in a step, and the logits that are kept of its prompt.
    let compute = async |lanes, step_tokens| {
        let mut spec = support::spec(support::fast());
        (spec.lanes, spec.tuning.step_tokens) = (lanes, step_tokens);
        backend.estimate(&spec).await.expect("it is a model").expect("it is a file").compute
    };
    let (one, lane_more, token_more) = (compute(1, 64).await, compute(2, 64).await, compute(1, 65).await);
    assert!(lane_more - token_more >= 256 * 4, "{one} {lane_more} {token_more}");
    // Four tokens of a draft and the one before them, each with 260 logits of four bytes.
    let mut drafting = support::spec(support::fast());
    drafting.tuning.draft_tokens = 4;
    let drafting = backend.estimate(&drafting).await.expect("it is a model").expect("it is a file").compute;
    assert_eq!(drafting - one, 5 * 260 * 4);
    spec.source = ModelSource::File("/nowhere.gguf".into());
    assert!(backend.estimate(&spec).await.is_err());
}
