//! Requests that llama.cpp would not survive, or would answer with garbage: each is refused, and the next one is answered.
//!
//! Grammars and schemas of that kind stand with the [constraints](crate::constraints), prompts with the
//! [prompts](crate::prompts), settings and files with the [refusals](crate::refusals).

use backend::conformance::kit;
use backend::{
    Dry, Event, GenerateError, GenerateOptions, Lane, LoadedModel, Mirostat, MirostatVersion, PromptError, Sampling,
    Xtc,
};

use crate::support;

async fn load() -> (LoadedModel, Box<dyn Lane>) {
    let mut model = support::load(support::spec(support::fast())).await;
    let lane = kit::only_lane(&mut model);
    (model, lane)
}

/// What llama.cpp does with it, and how a request comes to ask for it.
type Row = (&'static str, fn(&mut GenerateOptions));

const ROWS: [Row; 14] = [
    ("temperature that is no number: garbage", |o| o.sampling.temperature = f32::NAN),
    ("temperature below 0: garbage", |o| o.sampling.temperature = -1.0),
    ("top_p that is no number: the last token, always", |o| o.sampling.top_p = f32::NAN),
    ("min_p above 1: nothing is left", |o| o.sampling.min_p = 2.0),
    ("typical_p of 0: nothing is left", |o| o.sampling.typical_p = 0.0),
    ("a penalty of infinity: no numbers", |o| o.sampling.repeat_penalty = f32::INFINITY),
    ("a window of 2^31 tokens: 8 GiB", |o| o.sampling.repeat_last_n = u32::MAX),
    ("a bias on a token that does not exist: none", |o| o.sampling.logit_bias = vec![(260_000, 1.0)]),
    ("a bias of infinity: no numbers", |o| o.sampling.logit_bias = vec![(5, f32::INFINITY)]),
    ("a breaker with a NUL: a panic", |o| {
        o.sampling.dry = Some(Dry { multiplier: 1.0, sequence_breakers: vec!["a\0b".into()], ..Dry::default() });
    }),
    ("an empty breaker: a warning for each request", |o| {
        o.sampling.dry = Some(Dry { multiplier: 1.0, sequence_breakers: vec![String::new()], ..Dry::default() });
    }),
    ("a surprise that is no number: garbage", |o| {
        o.sampling.mirostat = Some(Mirostat { version: MirostatVersion::V1, tau: f32::NAN, eta: 0.1 });
    }),
    ("a probability above 1", |o| o.sampling.xtc = Some(Xtc { probability: 1.5, threshold: 0.1 })),
    ("more alternatives than are told", |o| o.logprobs = Some(1_000_000)),
];

#[tokio::test]
async fn options_out_of_range_are_refused_before_and_on_the_lane() {
    let (model, mut lane) = load().await;
    for (what, set) in ROWS {
        let mut request = kit::request(&model, kit::count()).await;
        set(&mut request.options);
        let checked = model.encoder.check(&request.prompt, &request.options).await;
        assert!(matches!(checked, Err(PromptError::Options { .. })), "{checked:?} for {what}");
        let answer = kit::collect(lane.generate(request)).await;
        assert!(matches!(answer.error, Some(GenerateError::Failed { .. })), "{:?} for {what}", answer.error);
        lane.quiesce().await;
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

/// Numbers that look random, the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % n
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// Sampling at the ends of its ranges, and inside them.
    fn sampling(&mut self) -> Sampling {
        let large = i32::MAX as u32;
        let breakers = [vec![], vec!["\n".to_string()], vec!["x".repeat(1000); 64], vec!["é".into(), " ".into()]];
        let dry = Dry {
            multiplier: self.of(&[0.0, 0.8, 100.0]),
            base: self.of(&[1.0, 1.75, 10.0]),
            allowed_length: self.of(&[0, 1, 2, large]),
            penalty_last_n: self.of(&[0, 1, 64, large]),
            sequence_breakers: self.of(&breakers),
        };
        let mirostat = Mirostat {
            version: self.of(&[MirostatVersion::V1, MirostatVersion::V2]),
            tau: self.of(&[0.0, 5.0, 100.0]),
            eta: self.of(&[0.0, 0.1, 1.0]),
        };
        let xtc = Xtc { probability: self.of(&[0.0, 0.5, 1.0]), threshold: self.of(&[0.0, 0.1, 0.5, 1.0]) };
        Sampling {
            temperature: self.of(&[0.0, 0.0009, 0.001, 0.8, 2.0]),
            top_k: self.of(&[0, 1, 40, large]),
            top_p: self.of(&[f32::MIN_POSITIVE, 0.5, 0.95, 1.0]),
            min_p: self.of(&[0.0, 0.05, 1.0]),
            typical_p: self.of(&[f32::MIN_POSITIVE, 0.5, 1.0]),
            repeat_penalty: self.of(&[0.01, 1.0, 2.0]),
            repeat_last_n: self.of(&[0, 1, 64, large]),
            frequency_penalty: self.of(&[-2.0, 0.0, 2.0]),
            presence_penalty: self.of(&[-2.0, 0.0, 2.0]),
            xtc: self.of(&[None, Some(xtc)]),
            dry: self.of(&[None, Some(dry)]),
            mirostat: self.of(&[None, None, Some(mirostat)]),
            logit_bias: self.of(&[vec![], vec![(0, 100.0), (259, -100.0)], vec![(97, f32::NEG_INFINITY); 3]]),
            seed: self.of(&[0, 7, u32::MAX]),
        }
    }
}

/// Whatever is asked for within the ranges, there is an answer, of as many tokens as were asked for or to its end.
#[tokio::test]
async fn every_sampling_within_its_ranges_gives_an_answer() {
    let (model, mut lane) = load().await;
    let mut draw = Draw(9);
    println!("seed=9");
    for n in 0..400 {
        let mut request = kit::request(&model, kit::count()).await;
        request.options.sampling = draw.sampling();
        request.options.ignore_end = n % 2 == 0;
        request.options.constraint = match n % 5 {
            0 => Some(backend::Constraint::JsonObject),
            1 => Some(backend::Constraint::Grammar("root ::= [0-9 ]+ | x\nx ::= \"(\" x \")\" | \"\"".into())),
            _ => None,
        };
        request.max_tokens = 6;
        let sampling = request.options.sampling.clone();
        assert_eq!(sampling.check(), Ok(()), "the draw keeps to the ranges");
        let answer = kit::run(lane.as_mut(), request).await;
        let n_tokens = answer.events.iter().filter(|event| matches!(event, Event::Token(_))).count();
        assert!(answer.error.is_none() && n_tokens > 0, "{:?} for {sampling:?}", answer.error);
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}
