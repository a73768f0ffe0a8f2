//! From sampling parameters to llama.cpp's sampler chain.
//!
//! The choice of stages is data and is tested as such; turning it into a chain is one thin function.
//! Stages whose value changes nothing are left out, because each walks the whole vocabulary once.

use backend::Sampling;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

/// Candidates kept before `top_p` when `top_k` is off. Finding the nucleus sorts what it is given: a flat
/// distribution over 128k tokens costs 15 ms per token, and a nucleus wider than this is noise.
const NUCLEUS_MAX: i32 = 1024;

/// The seed that llama.cpp reads as "a random one".
const SEED_RANDOM: u32 = u32::MAX;

/// One sampler of the chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    Penalties { last_n: i32, repeat: f32, frequency: f32, presence: f32 },
    TopK(i32),
    TopP(f32),
    MinP(f32),
    Temperature(f32),
    Choose { seed: u32 },
    Greedy,
}

/// The stages for these parameters, in llama.cpp's default order. The last one chooses.
///
/// `context_len` bounds how far back the penalties look: llama.cpp allocates what it is told.
pub(crate) fn stages(sampling: &Sampling, context_len: u32) -> Vec<Stage> {
    let mut stages = Vec::new();
    stages.extend(penalties(sampling, context_len));
    if sampling.is_greedy() {
        stages.push(Stage::Greedy);
        return stages;
    }
    let nucleus = sampling.top_p < 1.0;
    match int(sampling.top_k) {
        0 if nucleus => stages.push(Stage::TopK(NUCLEUS_MAX)),
        0 => {}
        k => stages.push(Stage::TopK(k)),
    }
    if nucleus {
        stages.push(Stage::TopP(sampling.top_p));
    }
    if sampling.min_p > 0.0 {
        stages.push(Stage::MinP(sampling.min_p));
    }
    if sampling.temperature != 1.0 {
        stages.push(Stage::Temperature(sampling.temperature));
    }
    stages.push(Stage::Choose { seed: seed(sampling.seed) });
    stages
}

fn penalties(sampling: &Sampling, context_len: u32) -> Option<Stage> {
    let last_n = int(sampling.repeat_last_n.min(context_len));
    let (repeat, frequency, presence) =
        (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty);
    let neutral = last_n == 0 || (repeat == 1.0 && frequency == 0.0 && presence == 0.0);
    (!neutral).then_some(Stage::Penalties { last_n, repeat, frequency, presence })
}

/// Every seed is a fixed one, the one that llama.cpp would replace included.
fn seed(seed: u32) -> u32 {
    if seed == SEED_RANDOM { SEED_RANDOM - 1 } else { seed }
}

fn int(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Builds the chain, with the end of the prompt already seen by the penalties.
///
/// `stages` come from [`stages`], so the last one chooses; a chain that does not choose ends the process.
pub(crate) fn chain(stages: &[Stage], n_vocab: i32, prompt: &[LlamaToken]) -> LlamaSampler {
    debug_assert!(matches!(stages.last(), Some(Stage::Greedy | Stage::Choose { .. })), "nothing chooses");
    let samplers = stages.iter().map(|stage| match *stage {
        Stage::Penalties { last_n, repeat, frequency, presence } => {
            LlamaSampler::penalties(n_vocab, last_n, repeat, frequency, presence)
        }
        Stage::TopK(k) => LlamaSampler::top_k(k),
        Stage::TopP(p) => LlamaSampler::top_p(p, 1),
        Stage::MinP(p) => LlamaSampler::min_p(p, 1),
        Stage::Temperature(t) => LlamaSampler::temp(t),
        Stage::Choose { seed } => LlamaSampler::dist(seed),
        Stage::Greedy => LlamaSampler::greedy(),
    });
    let mut chain = LlamaSampler::chain(samplers, true);
    if let Some(Stage::Penalties { last_n, .. }) = stages.first() {
        let window = usize::try_from(*last_n).unwrap_or(0).min(prompt.len());
        chain.accept_many(&prompt[prompt.len() - window..]);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::{NUCLEUS_MAX, Stage, stages};
    use backend::Sampling;

    /// Everything off: only the choice itself is left.
    fn neutral() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() }
    }

    #[test]
    fn the_defaults_give_llama_cpps_order() {
        let expected =
            [Stage::TopK(40), Stage::TopP(0.95), Stage::MinP(0.05), Stage::Temperature(0.8), Stage::Choose { seed: 0 }];
        assert_eq!(stages(&Sampling::default(), 1024), expected);
    }

    #[test]
    fn stages_that_change_nothing_are_left_out() {
        assert_eq!(stages(&neutral(), 1024), [Stage::Choose { seed: 0 }]);
        let no_window = Sampling { repeat_penalty: 1.5, repeat_last_n: 0, ..neutral() };
        assert_eq!(stages(&no_window, 1024), [Stage::Choose { seed: 0 }]);
    }

    #[test]
    fn penalties_come_first_and_apply_to_greedy_choice_too() {
        let sampling = Sampling { temperature: 0.0, presence_penalty: 0.5, ..Sampling::default() };
        let penalties = Stage::Penalties { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.5 };
        assert_eq!(stages(&sampling, 1024), [penalties, Stage::Greedy]);
    }

    /// llama.cpp allocates the window it is told: 2^31 entries are 8 GiB, and failing to get them ends the process.
    #[test]
    fn the_penalty_window_is_no_longer_than_the_context() {
        let sampling = Sampling { repeat_penalty: 1.1, repeat_last_n: i32::MAX as u32, ..neutral() };
        assert!(matches!(stages(&sampling, 512)[0], Stage::Penalties { last_n: 512, .. }));
    }

    #[test]
    fn a_nucleus_is_never_sought_in_the_whole_vocabulary() {
        let sampling = Sampling { top_p: 0.9, ..neutral() };
        assert_eq!(stages(&sampling, 1024)[..2], [Stage::TopK(NUCLEUS_MAX), Stage::TopP(0.9)]);
    }

    #[test]
    fn seeds_pass_through_except_the_one_that_means_random() {
        let seed = |seed| match stages(&Sampling { seed, ..neutral() }, 1024)[..] {
            [Stage::Choose { seed }] => seed,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(seed(0), 0);
        assert_eq!(seed(4821), 4821);
        assert_ne!(seed(u32::MAX), u32::MAX);
        assert_eq!(seed(u32::MAX), seed(u32::MAX));
    }
}
