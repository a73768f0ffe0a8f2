//! How tokens are chosen, seen from outside: by what is chosen, and by how likely it was.

use std::collections::BTreeMap;

use backend::conformance::kit;
use backend::{
    Dry, FinishReason, GenerateError, GenerateRequest, Lane, LoadedModel, Mirostat, MirostatVersion, Sampling,
    TokenLogprob, Xtc,
};

use crate::support;

/// A question that leaves the model a choice.
const OPEN: &str = "Tell me something about the sea.";

/// Everything off: the distribution as the model computed it.
fn neutral(seed: u32) -> Sampling {
    Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed, ..Sampling::default() }
}

async fn asking(model: &LoadedModel, question: &str, sampling: Sampling) -> GenerateRequest {
    let mut request = kit::request(model, kit::chat(question)).await;
    request.options.sampling = sampling;
    request.max_tokens = 40;
    request
}

async fn load() -> (LoadedModel, Box<dyn Lane>) {
    let mut model = support::load(support::spec(support::fast())).await;
    let lane = kit::only_lane(&mut model);
    (model, lane)
}

/// The token of a byte.
async fn token_of(model: &LoadedModel, byte: &str) -> u32 {
    let [token] = model.encoder.tokenize(byte.to_string(), false, false).await.expect("it is a text")[..] else {
        panic!("one token")
    };
    token
}

/// The texts of some seeds, without those that occur again.
async fn texts(model: &LoadedModel, lane: &mut dyn Lane, sampling: impl Fn(u32) -> Sampling) -> Vec<String> {
    let mut texts = Vec::new();
    for seed in 0..12 {
        texts.push(kit::text_of(lane, asking(model, OPEN, sampling(seed)).await).await);
    }
    texts.sort();
    texts.dedup();
    texts
}

async fn told(lane: &mut dyn Lane, mut request: GenerateRequest, n_top: u32) -> Vec<TokenLogprob> {
    request.options.logprobs = Some(n_top);
    let answer = kit::run(lane, request).await;
    let of = |event: &backend::Event| match event {
        backend::Event::Token(token) => Some(token.logprob.clone().expect("it was asked for")),
        _ => None,
    };
    answer.events.iter().filter_map(of).collect()
}

/// What is told is what happens: the first token of many seeds comes as often as its probability says.
/// Method: 1500 seeds; a difference of five standard deviations is a fault.
#[tokio::test]
async fn tokens_come_as_often_as_they_are_likely() {
    const N: u32 = 1500;
    let (model, mut lane) = load().await;
    let mut seen: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut likely: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
    let mut request = asking(&model, OPEN, neutral(0)).await;
    // Hot enough for several tokens to be likely. The probabilities that are told are those before that.
    request.options.sampling.temperature = 2.0;
    request.max_tokens = 1;
    for seed in 0..N {
        request.options.sampling.seed = seed;
        let told = told(lane.as_mut(), request.clone(), 20).await.remove(0);
        *seen.entry(told.chosen.bytes).or_default() += 1;
        likely = told.top.into_iter().map(|c| (c.bytes, (f64::from(c.logprob) / 2.0).exp())).collect();
    }
    assert!(seen.len() > 2, "nothing was left to chance: {seen:?}");
    // The rest of the vocabulary is as unlikely as the last that is told, at most.
    let least = likely.values().copied().fold(f64::INFINITY, f64::min);
    let (sum, rest) = (likely.values().sum::<f64>(), least * 240.0);
    for (bytes, p) in likely {
        let n = f64::from(seen.get(&bytes).copied().unwrap_or(0));
        let (low, high) = (p / (sum + rest), p / sum);
        let slack = 5.0 * (f64::from(N) * high * (1.0 - low)).sqrt() + 3.0;
        let expected = low * f64::from(N) - slack..=high * f64::from(N) + slack;
        assert!(expected.contains(&n), "{bytes:?} came {n} times where {expected:?} were expected");
    }
}

#[tokio::test]
async fn a_seed_gives_one_text_with_every_stage_in_the_chain() {
    let (model, mut lane) = load().await;
    let everything = |mirostat: Option<MirostatVersion>| Sampling {
        temperature: 1.5,
        typical_p: 0.95,
        repeat_penalty: 1.1,
        frequency_penalty: 0.1,
        xtc: Some(Xtc { probability: 0.5, threshold: 0.05 }),
        dry: Some(Dry { multiplier: 0.8, ..Dry::default() }),
        mirostat: mirostat.map(|version| Mirostat { version, tau: 4.0, eta: 0.2 }),
        logit_bias: vec![(40, 1.0)],
        seed: 11,
        ..Sampling::default()
    };
    for mirostat in [None, Some(MirostatVersion::V1), Some(MirostatVersion::V2)] {
        let request = asking(&model, OPEN, everything(mirostat)).await;
        let text = kit::text_of(lane.as_mut(), request.clone()).await;
        assert_eq!(kit::text_of(lane.as_mut(), request).await, text, "{mirostat:?}");
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

#[tokio::test]
async fn a_bias_forces_and_forbids() {
    let (model, mut lane) = load().await;
    let (k, z) = (token_of(&model, "k").await, token_of(&model, "z").await);
    let biased = |bias| Sampling { logit_bias: bias, ..kit::greedy() };
    let forced = asking(&model, OPEN, biased(vec![(z, 100.0)])).await;
    assert_eq!(kit::text_of(lane.as_mut(), forced).await, "z".repeat(40));
    let question = "Repeat after me: kestrel-4821 violet";
    let forbidden = asking(&model, question, biased(vec![(k, f32::NEG_INFINITY)])).await;
    assert!(!kit::text_of(lane.as_mut(), forbidden).await.contains('k'));
}

/// Where nothing may follow, the request fails and says so. llama.cpp would choose one of the forbidden tokens.
#[tokio::test]
async fn forbidding_everything_is_an_error() {
    let (model, mut lane) = load().await;
    for temperature in [0.0, 1.0] {
        let all = (0..260).map(|token| (token, f32::NEG_INFINITY)).collect();
        let request = asking(&model, OPEN, Sampling { temperature, logit_bias: all, ..Sampling::default() }).await;
        let answer = kit::collect(lane.generate(request)).await;
        let Some(GenerateError::Failed { reason }) = answer.error else { panic!("{answer:?}") };
        assert!(reason.contains("logit_bias"), "{reason}");
        lane.quiesce().await;
        kit::check_as_new(&model, lane.as_mut()).await;
    }
}

/// Method: of two candidates XTC must leave out the likelier one each time, and does not where the threshold is too high
/// or chance says no.
#[tokio::test]
async fn xtc_leaves_out_the_likelier_one() {
    let (model, mut lane) = load().await;
    let xtc = |probability, threshold| Sampling { top_k: 2, xtc: Some(Xtc { probability, threshold }), ..neutral(5) };
    let told_with = async |lane: &mut dyn Lane, sampling| told(lane, asking(&model, OPEN, sampling).await, 2).await;
    for token in told_with(lane.as_mut(), xtc(1.0, 0.0)).await {
        assert_eq!(token.chosen.bytes, token.top[1].bytes, "{token:?}");
    }
    let off = told_with(lane.as_mut(), xtc(1.0, 0.6)).await;
    assert!(off.iter().any(|token| token.chosen.bytes == token.top[0].bytes));
}

/// The narrowest typical set is one token, whatever the seed; without it the seeds differ.
#[tokio::test]
async fn typical_sampling_keeps_what_is_typical() {
    let (model, mut lane) = load().await;
    let typical = |p| move |seed| Sampling { temperature: 2.0, typical_p: p, ..neutral(seed) };
    assert_eq!(texts(&model, lane.as_mut(), typical(1e-6)).await.len(), 1);
    assert!(texts(&model, lane.as_mut(), typical(1.0)).await.len() > 1);
}

/// The surprise that is aimed at is the surprise there is: none gives nearly one text, much gives many.
#[tokio::test]
async fn mirostat_aims_at_the_surprise_it_is_given() {
    let (model, mut lane) = load().await;
    for version in [MirostatVersion::V1, MirostatVersion::V2] {
        let mut surprise = Vec::new();
        for tau in [0.1, 6.0] {
            let mirostat = Some(Mirostat { version, tau, eta: 0.3 });
            let mut sum = 0.0;
            let mut n = 0.0;
            for seed in 0..6 {
                let sampling = Sampling { temperature: 2.0, mirostat, ..neutral(seed) };
                for token in told(lane.as_mut(), asking(&model, OPEN, sampling).await, 0).await {
                    sum -= token.chosen.logprob;
                    n += 1.0;
                }
            }
            surprise.push(sum / n);
        }
        assert!(surprise[0] * 2.0 < surprise[1], "{version:?}: {surprise:?}");
    }
}

/// DRY sees the prompt: what repeats it is a repetition. A sequence breaker allows it.
/// Method: an answer that is a piece of the prompt. Three letters of it are free, the fourth costs more than it is worth.
#[tokio::test]
async fn dry_sees_the_prompt_and_stops_at_breakers() {
    let (model, mut lane) = load().await;
    let question = "Repeat after me: kestrel";
    let dry = |breakers: &[&str]| Dry {
        multiplier: 50.0,
        allowed_length: 2,
        sequence_breakers: breakers.iter().map(ToString::to_string).collect(),
        ..Dry::default()
    };
    let ask = async |dry| asking(&model, question, Sampling { dry: Some(dry), ..kit::greedy() }).await;
    let repeated = kit::text_of(lane.as_mut(), ask(dry(&["\n"])).await).await;
    assert!(repeated.starts_with("ke") && !repeated.contains("kestrel"), "{repeated}");
    let broken = kit::text_of(lane.as_mut(), ask(dry(&["k", "e", "s", "t", "r", "l", " "])).await).await;
    assert_eq!(broken, "kestrel");
}

#[tokio::test]
async fn an_end_that_is_ignored_does_not_end_the_answer() {
    let (model, mut lane) = load().await;
    let mut request = asking(&model, "Repeat after me: otter 3", kit::greedy()).await;
    request.options.ignore_end = true;
    request.max_tokens = 60;
    let answer = kit::run(lane.as_mut(), request).await;
    assert!(answer.text().starts_with("otter 3"), "{}", answer.text());
    assert_eq!((answer.reason(), answer.finish().usage.completion_tokens), (FinishReason::Length, 60));
}

/// The greedy choice is the likeliest, the likeliest come in order, and they are probabilities of one distribution.
#[tokio::test]
async fn probabilities_are_told_of_each_token() {
    let (model, mut lane) = load().await;
    let tokens = told(lane.as_mut(), asking(&model, "Repeat after me: otter 3", kit::greedy()).await, 20).await;
    // The end is a token too.
    assert_eq!(tokens.len(), "otter 3".len() + 1);
    for token in &tokens {
        assert_eq!(token.chosen, token.top[0]);
        assert_eq!(token.top.len(), 20);
        assert!(token.top.is_sorted_by(|a, b| a.logprob >= b.logprob), "{token:?}");
        let sum: f64 = token.top.iter().map(|c| f64::from(c.logprob).exp()).sum();
        assert!((0.5..1.0001).contains(&sum), "{sum}");
    }
    let said: Vec<u8> = tokens.iter().flat_map(|token| token.chosen.bytes.clone()).collect();
    assert_eq!(String::from_utf8(said).unwrap(), "otter 3<|im_end|>");
}

/// Sampling, penalties and bias do not change what is told.
#[tokio::test]
async fn what_is_told_is_what_the_model_computed() {
    let (model, mut lane) = load().await;
    let plain = told(lane.as_mut(), asking(&model, OPEN, kit::greedy()).await, 5).await;
    let z = token_of(&model, "z").await;
    let bent =
        Sampling { temperature: 2.0, top_k: 1, presence_penalty: 2.0, logit_bias: vec![(z, 50.0)], ..neutral(1) };
    let bent = told(lane.as_mut(), asking(&model, OPEN, bent).await, 5).await;
    assert_eq!(bent[0].top, plain[0].top);
    assert_eq!(bent[0].chosen.bytes, b"z");
    assert!(bent[0].chosen.logprob < -5.0, "{:?}", bent[0]);
}
