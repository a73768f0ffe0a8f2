//! How likely a token is said to be: made up, always the same, and in proportion.

use backend::{Candidate, TokenLogprob};

use crate::chance::{hash, unit};

/// The likelihood of the n-th token of an answer, with so many alternatives. The chosen token is the likeliest, with a
/// probability from 0.5 to 1, and each alternative has half of what is left.
pub(crate) fn of(bytes: &[u8], n: u32, top: u32) -> TokenLogprob {
    let seed = hash(&[bytes, &n.to_le_bytes()]);
    let chosen_share = 0.5 + unit(seed) / 2.0;
    let chosen = Candidate { bytes: bytes.to_vec(), logprob: ln(chosen_share) };
    let mut left = 1.0 - chosen_share;
    let mut candidates = vec![chosen.clone()];
    let letters = (b'a'..=b'z').map(|letter| vec![letter]).filter(|letter| letter != bytes);
    for other in letters.take((top as usize).saturating_sub(1)) {
        left /= 2.0;
        candidates.push(Candidate { bytes: other, logprob: ln(left) });
    }
    candidates.truncate(top as usize);
    TokenLogprob { chosen, top: candidates }
}

/// Clients take -9999 for "not at all likely", which is what OpenAI says of such tokens.
fn ln(share: f64) -> f32 {
    share.ln().max(-9999.0) as f32
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_chosen_token_is_the_likeliest_and_all_together_are_no_more_than_certain() {
        for n in 1..50 {
            let made = of(b"x", n, 20);
            assert_eq!((made.top.len(), &made.top[0]), (20, &made.chosen));
            assert!(made.top.is_sorted_by(|a, b| a.logprob >= b.logprob), "{made:?}");
            let sum: f64 = made.top.iter().map(|candidate| f64::from(candidate.logprob).exp()).sum();
            assert!(sum <= 1.000_001, "{sum}");
            assert_eq!(of(b"x", n, 20), made);
        }
        assert!(of(b"x", 1, 0).top.is_empty());
        assert_ne!(of(b"x", 1, 1), of(b"y", 1, 1));
    }
}
