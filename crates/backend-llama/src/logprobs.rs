//! How likely the tokens were, by what the model computed and before sampling changed anything.

use backend::{Candidate, TokenLogprob};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

/// What stands for the logarithm of nothing, which JSON cannot write; OpenAI's API has the same number.
const IMPOSSIBLE: f32 = -9999.0;

/// Tells the probability of a token and of the likeliest `n_top`. It looks at the whole vocabulary twice.
pub(crate) fn tell(vocab: &LlamaVocab<'_>, logits: &[f32], chosen: LlamaToken, n_top: u32) -> TokenLogprob {
    let log_sum = log_sum_exp(logits);
    let candidate = |index: usize| Candidate {
        bytes: vocab.token_to_piece(LlamaToken::new(index.try_into().expect("tokens are i32")), true, None),
        logprob: logprob(logits[index], log_sum),
    };
    let chosen = usize::try_from(chosen.0).expect("the token was checked against the logits");
    TokenLogprob {
        chosen: candidate(chosen),
        top: likeliest(logits, n_top as usize).into_iter().map(candidate).collect(),
    }
}

fn logprob(logit: f32, log_sum: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "the difference is small, and f32 is what is told")]
    let logprob = (f64::from(logit) - log_sum) as f32;
    // Rounding may leave a certain token a little above 0.
    if logprob.is_finite() { logprob.clamp(IMPOSSIBLE, 0.0) } else { IMPOSSIBLE }
}

/// The logarithm of the sum of the exponentials. The largest is taken out first, so that none of them overflows.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !largest.is_finite() {
        return f64::from(largest);
    }
    let largest = f64::from(largest);
    // Summed as f64: over 128k tokens the small ones would be lost in f32.
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    largest + sum.ln()
}

/// The places of the `n` largest, largest first; of equal ones the first comes first.
fn likeliest(logits: &[f32], n: usize) -> Vec<usize> {
    let mut top: Vec<usize> = Vec::with_capacity(n + 1);
    if n == 0 {
        return top;
    }
    for (index, logit) in logits.iter().enumerate() {
        if top.len() == n && top.last().is_some_and(|&least| logits[least] >= *logit) {
            continue;
        }
        let at = top.partition_point(|&better| logits[better] >= *logit);
        top.insert(at, index);
        top.truncate(n);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::{IMPOSSIBLE, likeliest, log_sum_exp, logprob};

    #[test]
    fn probabilities_add_up_to_one_whatever_the_size_of_the_logits() {
        for shift in [-1e6, -300.0, 0.0, 300.0, 1e6] {
            let logits: Vec<f32> = (0..1000).map(|i| shift + (i as f32 * 0.7).sin() * 4.0).collect();
            let log_sum = log_sum_exp(&logits);
            let sum: f64 = logits.iter().map(|&logit| f64::from(logprob(logit, log_sum)).exp()).sum();
            // At a million a logit has steps of a sixteenth.
            assert!((sum - 1.0).abs() < 1e-3, "{sum} with logits around {shift}");
        }
    }

    #[test]
    fn a_probability_is_a_number_that_json_can_write() {
        let log_sum = log_sum_exp(&[0.0, f32::NEG_INFINITY]);
        assert_eq!((logprob(0.0, log_sum), logprob(f32::NEG_INFINITY, log_sum)), (0.0, IMPOSSIBLE));
        let nothing = log_sum_exp(&[f32::NEG_INFINITY; 2]);
        assert_eq!(logprob(f32::NEG_INFINITY, nothing), IMPOSSIBLE);
        assert_eq!(logprob(1.0, log_sum_exp(&[f32::INFINITY, 1.0])), IMPOSSIBLE);
    }

    /// Method: compared with sorting all of them, for every number of places.
    #[test]
    fn the_likeliest_come_in_order() {
        let logits: Vec<f32> = (0..50_u16).map(|i| f32::from(i * 37 % 23)).collect();
        let mut sorted: Vec<usize> = (0..logits.len()).collect();
        sorted.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        for n in 0..60 {
            assert_eq!(likeliest(&logits, n), sorted[..n.min(sorted.len())], "{n}");
        }
    }
}
