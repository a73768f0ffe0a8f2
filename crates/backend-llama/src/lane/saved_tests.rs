//! What is saved of a conversation that made room for another changes nothing but the time.

use backend::conformance::kit;
use backend::{Adapter, AdapterSpec, ChatMessage, GenerateRequest, Lane, ModelSource, ModelSpec, Role, Scale};

use super::reuse_tests::{Instance, Numbers};
use crate::load::Loaded;
use crate::testing;

fn saving(mib: u32) -> ModelSpec {
    let mut spec = testing::spec();
    spec.tuning.saved_state_mib = mib;
    spec
}

async fn load(spec: ModelSpec) -> Loaded {
    testing::load_spec(spec).await.0
}

/// A prompt of several hundred tokens that begins with this word.
async fn long(instance: &Instance, word: &str) -> GenerateRequest {
    let text = format!("{word} {}", kit::words(60));
    let mut request = instance.request(&[ChatMessage::new(Role::User, text)]).await;
    request.max_tokens = 4;
    request
}

/// Conversations that take turns on one lane are computed from the same logits, bit by bit, as by an engine that never uses
/// anything again.
/// Method: four conversations in random order, each going on; some answers are left in the middle. The same requests run on a
/// second instance without a cache.
async fn returning_changes_no_bit(loaded: Loaded, plain: Loaded) {
    let (mut instance, mut anew) = (Instance::new(loaded), Instance::new(plain));
    let (mut numbers, mut n_cached, mut last) = (Numbers(11), 0, usize::MAX);
    let mut conversations = vec![Vec::new(); 4];
    for round in 0..40 {
        let which = (last.wrapping_add(1) + numbers.below(3)) % 4;
        let messages = &mut conversations[which];
        if messages.iter().map(|message: &ChatMessage| message.content.len() + 16).sum::<usize>() > 600 {
            messages.clear();
        }
        messages.push(ChatMessage::new(Role::User, format!("{which} {}", numbers.text(200))));
        let mut request = instance.request(messages).await;
        request.max_tokens = 16;
        if round % 5 == 4 {
            instance.leave(request.clone(), numbers.below(9)).await;
        }
        let (again, cached) = instance.run(&request, true).await;
        let (expected, none) = anew.run(&request, false).await;
        assert!(none == 0 && again == expected, "round {round}: other logits, {cached} tokens were used again");
        if which != last {
            n_cached += cached;
        }
        messages.push(ChatMessage::new(Role::Assistant, again.text));
        last = which;
    }
    assert!(n_cached > 2000, "little was brought back: {n_cached} tokens");
}

#[tokio::test]
async fn returning_changes_no_bit_with_8_bit_weights() {
    returning_changes_no_bit(load(saving(64)).await, load(saving(0)).await).await;
}

#[tokio::test]
async fn returning_changes_no_bit_with_16_bit_weights() {
    let half = |mib| testing::load_half_with(move |spec| spec.tuning.saved_state_mib = mib);
    returning_changes_no_bit(half(64).await.0, half(0).await.0).await;
}

/// Without memory for it a conversation that returns finds nothing, and with some the latest ones do.
/// Method: three prompts of some 350 tokens, of which a MiB has room for one state: 2 KiB for each token.
#[tokio::test]
async fn the_budget_bounds_what_is_brought_back() {
    for (mib, found) in [(0, [false, false]), (1, [true, false]), (8, [true, true])] {
        let mut instance = Instance::new(load(saving(mib)).await);
        let prompts =
            [long(&instance, "otter").await, long(&instance, "kestrel").await, long(&instance, "gravel").await];
        let n_tokens = kit::n_tokens(&prompts[0].prompt);
        assert!((300..500).contains(&n_tokens), "{n_tokens} tokens");
        for prompt in &prompts {
            assert_eq!(instance.run(prompt, true).await.1, 0, "they begin with other words");
        }
        let kept = instance.model.encoder.saved_states();
        assert!(kept.bytes <= u64::from(mib) << 20 && (kept.bytes > 0) == (mib > 0), "{kept:?}");
        // The third is on the lane. The second was there before it, and the first before that.
        for (prompt, found) in [(&prompts[1], found[0]), (&prompts[0], found[1])] {
            let (_, cached) = instance.run(prompt, true).await;
            assert_eq!(cached, if found { (n_tokens - 1) / 64 * 64 } else { 0 }, "{mib} MiB");
        }
        let n_found = found.iter().filter(|found| **found).count();
        assert_eq!(instance.model.encoder.saved_states().restored, n_found as u64);
    }
}

/// A request that wants nothing used again gets nothing brought back, and takes nothing from those who do.
#[tokio::test]
async fn who_wants_no_cache_gets_none_and_leaves_the_others_theirs() {
    let mut instance = Instance::new(load(saving(8)).await);
    let (mine, others) = (long(&instance, "otter").await, long(&instance, "kestrel").await);
    instance.run(&mine, true).await;
    assert_eq!(instance.run(&others, false).await.1, 0);
    assert_eq!(instance.run(&mine, false).await.1, 0);
    instance.run(&others, false).await;
    assert!(instance.run(&mine, true).await.1 > 200);
}

/// What one adapter computed is not brought back for a request with another one, or with none.
#[tokio::test]
async fn a_saved_state_is_of_its_adapter() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/edison-demo-fast-adapter.gguf");
    let source = ModelSource::File(path.into());
    let adapters = vec![AdapterSpec { name: "tone".to_string(), source, scale: Scale::ONE }];
    let mut instance = Instance::new(load(ModelSpec { adapters, ..saving(8) }).await);
    let (plain, others) = (long(&instance, "otter").await, long(&instance, "kestrel").await);
    let mut adapted = plain.clone();
    adapted.options.adapter = Some(Adapter { number: 0, scale: Scale::ONE });
    let (first, _) = instance.run(&plain, true).await;
    assert_eq!(instance.run(&adapted, true).await.1, 0);
    let (expected, _) = instance.run(&adapted, false).await;
    instance.run(&others, true).await;
    let (again, cached) = instance.run(&adapted, true).await;
    assert!(again == expected && cached > 200, "{cached}");
    instance.run(&others, true).await;
    let (again, cached) = instance.run(&plain, true).await;
    assert!(again == first && cached > 200, "{cached}");
}

/// Whatever is wrong with a lane may be in what was saved of it.
#[tokio::test]
async fn a_lane_that_is_rebuilt_brings_nothing_back() {
    let mut instance = Instance::new(load(saving(8)).await);
    let (mine, others) = (long(&instance, "otter").await, long(&instance, "kestrel").await);
    instance.run(&mine, true).await;
    instance.run(&others, true).await;
    assert!(instance.model.encoder.saved_states().bytes > 0);
    instance.lane.reset().await.expect("nothing is wrong with it");
    assert_eq!(instance.model.encoder.saved_states().bytes, 0);
    assert_eq!(instance.run(&mine, true).await.1, 0);
}

/// A conversation whose lane was taken may go on on another one.
#[tokio::test]
async fn a_state_is_brought_back_on_any_lane() {
    let mut loaded = load(ModelSpec { lanes: 2, context_len: 512, ..saving(8) }).await;
    let mut other = loaded.lanes.pop().expect("two lanes");
    let mut instance = Instance::new(loaded);
    let (mine, others) = (long(&instance, "otter").await, long(&instance, "kestrel").await);
    let (first, _) = instance.run(&mine, true).await;
    instance.run(&others, true).await;
    let answer = kit::run(&mut other, mine.clone()).await;
    let n_tokens = kit::n_tokens(&mine.prompt);
    assert_eq!((answer.text(), answer.finish().usage.cached_tokens), (first.text, n_tokens - 1));
}
