//! An adapter is at work for whoever asks for it, as long as that takes, and for nobody else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use backend::conformance::kit;
use backend::{
    Adapter, AdapterSpec, GenerateError, GenerateOptions, GenerateRequest, Lane, LoadedModel, ModelSource, ModelSpec,
    Scale,
};
use futures_util::{StreamExt, future};

use super::LlamaLane;
use crate::engine::Fault;
use crate::testing;

/// A model with lanes whose logits can be heard. Its two adapters are the same file.
struct Instance {
    model: LoadedModel,
    lanes: Vec<LlamaLane>,
    heard: Vec<Receiver<Vec<f32>>>,
}

async fn instance(lanes: u32) -> Instance {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/edison-demo-fast-adapter.gguf");
    let adapter =
        |name: &str| AdapterSpec { name: name.to_string(), source: ModelSource::File(path.into()), scale: Scale::ONE };
    let spec = ModelSpec { lanes, adapters: vec![adapter("first"), adapter("second")], ..testing::spec() };
    let (loaded, _) = testing::load_spec(spec).await;
    let model = LoadedModel { info: loaded.info, encoder: Arc::new(loaded.encoder), lanes: vec![] };
    let mut lanes = loaded.lanes;
    let listen = |lane: &mut LlamaLane| {
        let (listener, heard) = channel();
        lane.listener = Some(listener);
        heard
    };
    let heard = lanes.iter_mut().map(listen).collect();
    Instance { model, lanes, heard }
}

/// A text, and the bits of the logits that each of its tokens was chosen from.
type Heard = (String, Vec<Vec<u32>>);

impl Instance {
    async fn request(&self, adapter: Option<(u32, f32)>) -> GenerateRequest {
        let mut request = kit::request(&self.model, kit::repeat("otter 3, kestrel 48, gravel 77")).await;
        request.max_tokens = 40;
        let adapted = |(number, scale)| Adapter { number, scale: Scale::new(scale).expect("a scale") };
        request.options.adapter = adapter.map(adapted);
        request
    }

    fn overheard(&self, lane: usize) -> Vec<Vec<u32>> {
        self.heard[lane].try_iter().map(|logits| logits.into_iter().map(f32::to_bits).collect()).collect()
    }

    async fn run(&mut self, adapter: Option<(u32, f32)>) -> Heard {
        let request = self.request(adapter).await;
        let answer = kit::run(&mut self.lanes[0], request).await;
        (answer.text(), self.overheard(0))
    }
}

/// An adapter changes the text, each scale in its own way; at 0 it changes no bit, and whoever asks for none gets what it
/// got before, bit by bit.
#[tokio::test]
async fn an_adapter_changes_the_answers_that_ask_for_it_and_no_others() {
    let mut instance = instance(1).await;
    let plain = instance.run(None).await;
    assert!(plain.0.starts_with("otter 3"), "{}", plain.0);
    let whole = instance.run(Some((0, 1.0))).await;
    assert_ne!(whole.0, plain.0);
    assert!(instance.run(None).await == plain, "it was not taken off");
    assert!(instance.run(Some((0, 0.0))).await == plain, "at 0 it is none");
    let half = instance.run(Some((0, 0.5))).await;
    assert!(half != plain && half != whole, "{} {}", half.0, whole.0);
    // Straight from one to another, and back.
    assert!(instance.run(Some((1, 1.0))).await == whole, "both are the same file");
    assert!(instance.run(Some((0, 0.5))).await == half);
    assert!(instance.run(Some((0, 1.0))).await == whole, "the same one, more strongly");
    assert!(instance.run(Some((1, 1.0))).await == whole);
    assert!(instance.run(None).await == plain);
}

/// What was computed with one adapter is never used again with another, or with none; one at 0 is none.
/// Method: the same long prompt, all of which could be used again, the logits after it too.
#[tokio::test]
async fn the_cache_is_of_one_adapter() {
    let mut instance = instance(1).await;
    let prompt = kit::encode(&instance.model, kit::chat(kit::words(60))).await;
    let mut cached = Vec::new();
    let asked = [None, Some((0, 1.0)), Some((0, 1.0)), Some((0, 0.5)), Some((1, 0.5)), None, Some((0, 0.0)), None];
    for adapter in asked {
        let mut request = kit::request_for(prompt.clone());
        request.max_tokens = 2;
        let adapted = |(number, scale)| Adapter { number, scale: Scale::new(scale).expect("a scale") };
        request.options.adapter = adapter.map(adapted);
        cached.push(kit::run(&mut instance.lanes[0], request).await.finish().usage.cached_tokens);
    }
    let all = kit::n_tokens(&prompt);
    assert_eq!(cached, [0, 0, all, 0, 0, 0, all, all]);
}

/// An adapter goes with its request, however that ends.
#[tokio::test]
async fn an_adapter_is_taken_off_after_a_cancel_an_error_and_a_panic() {
    let mut instance = instance(1).await;
    let plain = instance.run(None).await;
    let whole = instance.run(Some((0, 1.0))).await;
    let adapted = instance.request(Some((0, 1.0))).await;
    for n_tokens in [0, 1, 5] {
        kit::cancel_after_tokens(&mut instance.lanes[0], adapted.clone(), n_tokens).await;
        instance.lanes[0].quiesce().await;
        instance.overheard(0);
        assert!(instance.run(None).await == plain, "after a cancel at {n_tokens}");
    }
    let mut impossible = adapted.clone();
    let any = backend::Constraint::Grammar("root ::= \"o\" \"k\"".to_string());
    impossible.options.constraint = Some(any);
    let k = instance.model.encoder.tokenize("k".to_string(), false, false).await.expect("a text")[0];
    impossible.options.sampling.logit_bias = vec![(k, f32::NEG_INFINITY)];
    let answer = kit::run(&mut instance.lanes[0], impossible).await;
    assert!(matches!(answer.error, Some(GenerateError::Failed { .. })), "{answer:?}");
    instance.overheard(0);
    assert!(instance.run(None).await == plain, "after an error");
    // A step that fails is one that is computed.
    let failing = GenerateRequest { options: GenerateOptions { cache_prompt: false, ..adapted.options }, ..adapted };
    for fault in [|| Fault::Panic, || Fault::Decode, || Fault::Step] {
        // The new context has no adapter, and gets one where that is asked for.
        for (next, expected) in [(None, &plain), (Some((0, 1.0)), &whole)] {
            instance.lanes[0].fault = Some(fault());
            let answer = kit::run(&mut instance.lanes[0], failing.clone()).await;
            assert!(matches!(answer.error, Some(GenerateError::LaneBroken { .. })), "{answer:?}");
            instance.lanes[0].reset().await.expect("the context can be rebuilt");
            instance.overheard(0);
            assert!(instance.run(next).await == *expected, "{next:?} after a failure");
        }
    }
}

/// Lanes of one context with different adapters, or none, each get their own.
/// Method: four at once, several rounds; each answer is that of its request alone, which differ.
#[tokio::test]
async fn lanes_that_are_computed_together_keep_their_own_adapters() {
    let mut instance = instance(4).await;
    let wanted = [None, Some((0, 1.0)), Some((1, -1.0)), Some((0, 0.0))];
    let mut alone = Vec::new();
    for adapter in wanted {
        alone.push(instance.run(adapter).await.0);
    }
    assert!(alone[0] != alone[1] && alone[1] != alone[2] && alone[0] != alone[2], "{alone:?}");
    assert_eq!(alone[0], alone[3]);
    for round in 0..4 {
        let mut requests = Vec::new();
        for lane in 0..4 {
            let mut request = instance.request(wanted[(lane + round) % 4]).await;
            request.options.cache_prompt = round % 2 == 0;
            requests.push(request);
        }
        let running = instance.lanes.iter_mut().zip(requests).map(|(lane, request)| kit::text_of(lane, request));
        let texts = future::join_all(running).await;
        for (lane, text) in texts.iter().enumerate() {
            assert_eq!(*text, alone[(lane + round) % 4], "round {round}, lane {lane}");
        }
    }
}

/// A lane that holds still with its adapter holds up nobody, and changes nobody's answer.
#[tokio::test]
async fn an_adapter_of_a_lane_that_holds_still_is_not_the_others() {
    let mut instance = instance(2).await;
    let plain = instance.run(None).await.0;
    let alone = instance.run(Some((0, 1.0))).await.0;
    let (adapted, request) = (instance.request(Some((0, 1.0))).await, instance.request(None).await);
    let [slow, quick] = instance.lanes.as_mut_slice() else { panic!("two lanes were asked for") };
    let mut held = slow.generate(adapted);
    while !matches!(held.next().await, Some(Ok(backend::Event::Token(_)))) {}
    for _ in 0..3 {
        assert_eq!(kit::text_of(quick, request.clone()).await, plain);
    }
    let rest = kit::collect(held).await.text();
    assert!(alone.ends_with(&rest) && !rest.is_empty(), "{rest:?} of {alone:?}");
}
