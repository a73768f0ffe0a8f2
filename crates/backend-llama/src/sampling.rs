//! From sampling parameters to llama.cpp's sampler chain.
//!
//! The choice of stages is data and is tested as such; turning it into a chain is one thin function.
//! Stages whose value changes nothing are left out, because each walks the whole vocabulary once.
//!
//! The order is that of llama.cpp's own tools: bias, penalties, DRY, top-k, typical, top-p, min-p, XTC, temperature,
//! choice. Two things differ. The likeliest token at temperature 0 is the likeliest after bias, penalties and DRY, and
//! XTC does not get to leave it out. And Mirostat takes the place of the stages from top-k to XTC, but not of
//! penalties and DRY, which the tools drop without a word.

use backend::{MirostatVersion, Sampling, TokenId};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::logit_bias::LlamaLogitBias;

/// Candidates kept before a stage that sorts them, when `top_k` is off. A flat distribution over 128k tokens costs
/// 15 ms per token to sort, and a nucleus wider than this is noise.
const SORTED_MAX: i32 = 1024;

/// Tokens by which Mirostat 1 estimates the shape of the distribution, as in its paper and in llama.cpp.
const MIROSTAT_TOKENS: i32 = 100;

/// The seed that llama.cpp reads as "a random one".
const SEED_RANDOM: u32 = u32::MAX;

/// One sampler of the chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    Bias(Vec<(TokenId, f32)>),
    Penalties { last_n: i32, repeat: f32, frequency: f32, presence: f32 },
    Dry { multiplier: f32, base: f32, allowed_length: i32, last_n: i32, breakers: Vec<String> },
    TopK(i32),
    Typical(f32),
    TopP(f32),
    MinP(f32),
    Xtc { probability: f32, threshold: f32, seed: u32 },
    Temperature(f32),
    Choose { seed: u32 },
    Mirostat1 { tau: f32, eta: f32, seed: u32 },
    Mirostat2 { tau: f32, eta: f32, seed: u32 },
    Greedy,
}

/// The stages for these parameters. The last one chooses.
///
/// `context_len` bounds how far back a stage looks: llama.cpp allocates what it is told. `ends` are the tokens that end
/// an answer, where they are to be left out.
pub(crate) fn stages(sampling: &Sampling, context_len: u32, ends: &[TokenId]) -> Vec<Stage> {
    let mut stages = Vec::new();
    stages.extend(bias(sampling, ends));
    stages.extend(penalties(sampling, context_len));
    stages.extend(dry(sampling, context_len));
    let seed = seed(sampling.seed);
    if sampling.is_greedy() {
        stages.push(Stage::Greedy);
        return stages;
    }
    if sampling.mirostat.is_none() {
        stages.extend(cuts(sampling, seed));
    }
    if sampling.temperature != 1.0 {
        stages.push(Stage::Temperature(sampling.temperature));
    }
    stages.push(match sampling.mirostat {
        None => Stage::Choose { seed },
        Some(mirostat) => {
            let (tau, eta) = (mirostat.tau, mirostat.eta);
            match mirostat.version {
                MirostatVersion::V1 => Stage::Mirostat1 { tau, eta, seed },
                MirostatVersion::V2 => Stage::Mirostat2 { tau, eta, seed },
            }
        }
    });
    stages
}

fn bias(sampling: &Sampling, ends: &[TokenId]) -> Option<Stage> {
    let forbidden = ends.iter().map(|&token| (token, f32::NEG_INFINITY));
    // A bias of nothing is none; and infinity less infinity would not be a number.
    let asked = sampling.logit_bias.iter().filter(|(token, bias)| *bias != 0.0 && !ends.contains(token));
    let bias: Vec<(TokenId, f32)> = asked.copied().chain(forbidden).collect();
    (!bias.is_empty()).then_some(Stage::Bias(bias))
}

fn penalties(sampling: &Sampling, context_len: u32) -> Option<Stage> {
    let last_n = int(sampling.repeat_last_n.min(context_len));
    let (repeat, frequency, presence) =
        (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty);
    let neutral = last_n == 0 || (repeat == 1.0 && frequency == 0.0 && presence == 0.0);
    (!neutral).then_some(Stage::Penalties { last_n, repeat, frequency, presence })
}

fn dry(sampling: &Sampling, context_len: u32) -> Option<Stage> {
    let dry = sampling.dry.as_ref().filter(|dry| dry.multiplier > 0.0 && dry.penalty_last_n > 0)?;
    Some(Stage::Dry {
        multiplier: dry.multiplier,
        base: dry.base,
        allowed_length: int(dry.allowed_length),
        last_n: int(dry.penalty_last_n.min(context_len)),
        breakers: dry.sequence_breakers.clone(),
    })
}

/// The stages that leave candidates out.
fn cuts(sampling: &Sampling, seed: u32) -> Vec<Stage> {
    let xtc = sampling.xtc.filter(|xtc| xtc.probability > 0.0 && xtc.threshold <= 0.5);
    let sorts = sampling.typical_p < 1.0 || sampling.top_p < 1.0 || xtc.is_some();
    let mut cuts = Vec::new();
    match int(sampling.top_k) {
        0 if sorts => cuts.push(Stage::TopK(SORTED_MAX)),
        0 => {}
        k => cuts.push(Stage::TopK(k)),
    }
    if sampling.typical_p < 1.0 {
        cuts.push(Stage::Typical(sampling.typical_p));
    }
    if sampling.top_p < 1.0 {
        cuts.push(Stage::TopP(sampling.top_p));
    }
    if sampling.min_p > 0.0 {
        cuts.push(Stage::MinP(sampling.min_p));
    }
    if let Some(xtc) = xtc {
        cuts.push(Stage::Xtc { probability: xtc.probability, threshold: xtc.threshold, seed });
    }
    cuts
}

/// Every seed is a fixed one, the one that llama.cpp would replace included.
fn seed(seed: u32) -> u32 {
    if seed == SEED_RANDOM { SEED_RANDOM - 1 } else { seed }
}

fn int(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Builds the chain, with the end of the prompt already seen by the stages that look back.
///
/// `stages` come from [`stages`], so the last one chooses; a chain that does not choose ends the process.
pub(crate) fn chain(stages: &[Stage], model: &LlamaModel, prompt: &[LlamaToken]) -> LlamaSampler {
    debug_assert!(
        matches!(
            stages.last(),
            Some(Stage::Greedy | Stage::Choose { .. } | Stage::Mirostat1 { .. } | Stage::Mirostat2 { .. })
        ),
        "nothing chooses"
    );
    let mut chain = LlamaSampler::chain(stages.iter().map(|stage| sampler(stage, model)), true);
    let looks_back = stages.iter().map(|stage| match stage {
        Stage::Penalties { last_n, .. } | Stage::Dry { last_n, .. } => usize::try_from(*last_n).unwrap_or(0),
        _ => 0,
    });
    let window = looks_back.max().unwrap_or(0).min(prompt.len());
    chain.accept_many(&prompt[prompt.len() - window..]);
    chain
}

fn sampler(stage: &Stage, model: &LlamaModel) -> LlamaSampler {
    let n_vocab = model.n_vocab();
    match *stage {
        Stage::Bias(ref bias) => {
            let bias: Vec<LlamaLogitBias> =
                bias.iter().map(|&(token, bias)| LlamaLogitBias::new(LlamaToken::new(int(token)), bias)).collect();
            LlamaSampler::logit_bias(n_vocab, &bias)
        }
        Stage::Penalties { last_n, repeat, frequency, presence } => {
            LlamaSampler::penalties(n_vocab, last_n, repeat, frequency, presence)
        }
        Stage::Dry { multiplier, base, allowed_length, last_n, ref breakers } => {
            LlamaSampler::dry(model, multiplier, base, allowed_length, last_n, breakers)
        }
        Stage::TopK(k) => LlamaSampler::top_k(k),
        Stage::Typical(p) => LlamaSampler::typical(p, 1),
        Stage::TopP(p) => LlamaSampler::top_p(p, 1),
        Stage::MinP(p) => LlamaSampler::min_p(p, 1),
        Stage::Xtc { probability, threshold, seed } => LlamaSampler::xtc(probability, threshold, 1, seed),
        Stage::Temperature(t) => LlamaSampler::temp(t),
        Stage::Choose { seed } => LlamaSampler::dist(seed),
        Stage::Mirostat1 { tau, eta, seed } => LlamaSampler::mirostat(n_vocab, seed, tau, eta, MIROSTAT_TOKENS),
        Stage::Mirostat2 { tau, eta, seed } => LlamaSampler::mirostat_v2(seed, tau, eta),
        Stage::Greedy => LlamaSampler::greedy(),
    }
}

#[cfg(test)]
mod tests {
    use super::{SORTED_MAX, Stage, stages};
    use backend::{Dry, Mirostat, MirostatVersion, Sampling, Xtc};

    /// Everything off: only the choice itself is left.
    fn neutral() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() }
    }

    #[test]
    fn the_defaults_give_llama_cpps_order() {
        let expected =
            [Stage::TopK(40), Stage::TopP(0.95), Stage::MinP(0.05), Stage::Temperature(0.8), Stage::Choose { seed: 0 }];
        assert_eq!(stages(&Sampling::default(), 1024, &[]), expected);
    }

    #[test]
    fn stages_that_change_nothing_are_left_out() {
        assert_eq!(stages(&neutral(), 1024, &[]), [Stage::Choose { seed: 0 }]);
        let no_window = Sampling { repeat_penalty: 1.5, repeat_last_n: 0, ..neutral() };
        assert_eq!(stages(&no_window, 1024, &[]), [Stage::Choose { seed: 0 }]);
    }

    #[test]
    fn penalties_come_first_and_apply_to_greedy_choice_too() {
        let sampling = Sampling { temperature: 0.0, presence_penalty: 0.5, ..Sampling::default() };
        let penalties = Stage::Penalties { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.5 };
        assert_eq!(stages(&sampling, 1024, &[]), [penalties, Stage::Greedy]);
    }

    /// llama.cpp allocates the window it is told: 2^31 entries are 8 GiB, and failing to get them ends the process.
    #[test]
    fn the_penalty_window_is_no_longer_than_the_context() {
        let sampling = Sampling { repeat_penalty: 1.1, repeat_last_n: i32::MAX as u32, ..neutral() };
        assert!(matches!(stages(&sampling, 512, &[])[0], Stage::Penalties { last_n: 512, .. }));
    }

    #[test]
    fn a_nucleus_is_never_sought_in_the_whole_vocabulary() {
        let sampling = Sampling { top_p: 0.9, ..neutral() };
        assert_eq!(stages(&sampling, 1024, &[])[..2], [Stage::TopK(SORTED_MAX), Stage::TopP(0.9)]);
    }

    #[test]
    fn seeds_pass_through_except_the_one_that_means_random() {
        let seed = |seed| match stages(&Sampling { seed, ..neutral() }, 1024, &[])[..] {
            [Stage::Choose { seed }] => seed,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(seed(0), 0);
        assert_eq!(seed(4821), 4821);
        assert_ne!(seed(u32::MAX), u32::MAX);
        assert_eq!(seed(u32::MAX), seed(u32::MAX));
    }

    /// Everything that can be asked for, in the order of llama.cpp's tools.
    #[test]
    fn the_whole_chain_is_in_llama_cpps_order() {
        let sampling = Sampling {
            temperature: 0.7,
            top_k: 50,
            top_p: 0.9,
            min_p: 0.1,
            typical_p: 0.8,
            presence_penalty: 0.5,
            xtc: Some(Xtc { probability: 0.5, threshold: 0.1 }),
            dry: Some(Dry { multiplier: 0.8, ..Dry::default() }),
            logit_bias: vec![(7, -1.0)],
            seed: 3,
            ..Sampling::default()
        };
        let expected = [
            Stage::Bias(vec![(7, -1.0)]),
            Stage::Penalties { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.5 },
            Stage::Dry {
                multiplier: 0.8,
                base: 1.75,
                allowed_length: 2,
                last_n: 1024,
                breakers: ["\n", ":", "\"", "*"].map(String::from).into(),
            },
            Stage::TopK(50),
            Stage::Typical(0.8),
            Stage::TopP(0.9),
            Stage::MinP(0.1),
            Stage::Xtc { probability: 0.5, threshold: 0.1, seed: 3 },
            Stage::Temperature(0.7),
            Stage::Choose { seed: 3 },
        ];
        assert_eq!(stages(&sampling, 1024, &[]), expected);
        let greedy = Sampling { temperature: 0.0, ..sampling };
        assert_eq!(stages(&greedy, 1024, &[])[3..], [Stage::Greedy]);
    }

    #[test]
    fn mirostat_takes_the_place_of_the_cuts() {
        let with = |version| Sampling {
            frequency_penalty: 0.5,
            xtc: Some(Xtc { probability: 0.5, threshold: 0.1 }),
            mirostat: Some(Mirostat { version, tau: 5.0, eta: 0.1 }),
            ..Sampling::default()
        };
        let rest = |version| stages(&with(version), 1024, &[])[1..].to_vec();
        let (tau, eta, seed) = (5.0, 0.1, 0);
        assert_eq!(rest(MirostatVersion::V1), [Stage::Temperature(0.8), Stage::Mirostat1 { tau, eta, seed }]);
        assert_eq!(rest(MirostatVersion::V2), [Stage::Temperature(0.8), Stage::Mirostat2 { tau, eta, seed }]);
        let greedy = Sampling { temperature: 0.0, ..with(MirostatVersion::V2) };
        assert_eq!(stages(&greedy, 1024, &[])[1..], [Stage::Greedy]);
    }

    #[test]
    fn optional_stages_that_change_nothing_are_left_out() {
        let dry = |dry: Dry| Sampling { dry: Some(dry), ..neutral() };
        let xtc = |probability, threshold| Sampling { xtc: Some(Xtc { probability, threshold }), ..neutral() };
        let cases = [
            dry(Dry::default()),
            dry(Dry { multiplier: 1.0, penalty_last_n: 0, ..Dry::default() }),
            xtc(0.0, 0.1),
            xtc(1.0, 0.51),
            Sampling { logit_bias: vec![(3, 0.0)], ..neutral() },
        ];
        for sampling in cases {
            assert_eq!(stages(&sampling, 1024, &[]), [Stage::Choose { seed: 0 }], "{sampling:?}");
        }
    }

    /// An end that may not come is forbidden once, whatever else was asked of it.
    #[test]
    fn ends_are_forbidden_where_they_may_not_come() {
        let sampling = Sampling { logit_bias: vec![(7, 100.0), (8, 1.0)], ..neutral() };
        let bias = Stage::Bias(vec![(8, 1.0), (7, f32::NEG_INFINITY)]);
        assert_eq!(stages(&sampling, 1024, &[7]), [bias, Stage::Choose { seed: 0 }]);
    }

    #[test]
    fn what_sorts_is_given_few_candidates() {
        let typical = Sampling { typical_p: 0.9, ..neutral() };
        assert_eq!(stages(&typical, 1024, &[])[..2], [Stage::TopK(SORTED_MAX), Stage::Typical(0.9)]);
    }
}
