//! Guessing the next tokens of an answer from what stands in it and in its prompt.
//!
//! The latest tokens are looked for further ahead, and what followed them there is the draft: "Prompt Lookup Decoding" by
//! Apoorv Saxena (2023), which transformers has as `prompt_lookup_num_tokens` and llama.cpp as `examples/lookup`. Here the
//! longest match counts and not the first, a draft reads on in itself where the match ends at the latest token, and how long
//! a match must be follows from how the drafts before fared.

use llama_cpp_2::token::LlamaToken;

use super::trust::Verdict;
use crate::answering::is_picture;

/// Tokens that must match at least.
const MATCH_MIN: usize = 4;
/// Tokens that a match has at most; longer ones are not told apart.
const MATCH_MAX: usize = 64;

/// The drafts of one answer.
#[derive(Debug)]
pub(super) struct Drafter {
    /// Tokens of each draft.
    pub(super) len: usize,
    /// Tokens that must match for the next one.
    n_match: usize,
    /// The draft of the next step, and what it is good for. Empty between steps.
    pub(super) draft: Vec<LlamaToken>,
    pub(super) verdict: Verdict,
    /// Tokens from the front of the cache that have the bits of plain steps.
    pub(super) n_exact: usize,
    /// A draft that is being computed in plain steps as well.
    pub(super) comparison: Option<Comparison>,
    /// Logits from which no choice was made; those of plain steps follow.
    pub(super) doubted: Option<Vec<f32>>,
    /// Set where the engine has no room for drafts.
    pub(super) is_off: bool,
    /// Tokens of the drafts from whose logits choices were to be made, as [`Usage`](backend::Usage) has them.
    pub(super) n_drafted: usize,
    /// Those of them that were chosen.
    pub(super) n_accepted: usize,
}

/// A draft with the logits that it gave.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Tokens before the draft and the one that it follows.
    pub(super) begin: usize,
    pub(super) draft: Vec<LlamaToken>,
    /// After the token that it follows, and after each of its own.
    pub(super) logits: Vec<Vec<f32>>,
}

impl Drafter {
    /// One whose drafts have `len` tokens, after `n_exact` tokens that the cache held.
    pub(super) fn new(len: usize, n_exact: usize) -> Self {
        Self {
            len,
            n_match: MATCH_MIN,
            draft: Vec::new(),
            verdict: Verdict::Compare,
            n_exact,
            comparison: None,
            doubted: None,
            is_off: false,
            n_drafted: 0,
            n_accepted: 0,
        }
    }

    /// What the next draft would be good for, of lengths of which `verdict` is known; `None` where none is wanted. The
    /// cache holds `n_computed` tokens; a choice that differences must not change is to be ahead by `ahead`, which can be
    /// told where the answer `is_steady`.
    pub(super) fn judge(&self, n_computed: usize, is_steady: bool, verdict: Verdict, ahead: f32) -> Option<Verdict> {
        // The same draft after a doubt would be doubted again, and again; first comes what plain steps choose.
        if self.is_off || self.comparison.is_some() || self.doubted.is_some() {
            return None;
        }
        let is_exact = self.n_exact == n_computed;
        match verdict {
            // What is compared has to begin from the same bits.
            Verdict::Compare => is_exact.then_some(Verdict::Compare),
            Verdict::Equal if is_exact => Some(Verdict::Equal),
            // Equal steps after other bits give other bits.
            Verdict::Equal => is_steady.then_some(Verdict::Ahead(ahead)),
            Verdict::Ahead(by) => is_steady.then_some(Verdict::Ahead(by)),
            Verdict::Useless => None,
        }
    }

    /// Guesses what follows these tokens.
    pub(super) fn guess(&mut self, tokens: &[LlamaToken], verdict: Verdict) {
        self.verdict = verdict;
        self.draft = guess(tokens, self.n_match, self.len).unwrap_or_default();
    }

    /// Learns that `n` tokens of a draft were right. A draft pays on a CPU when about half of it is.
    pub(super) fn learn(&mut self, n: usize) {
        self.n_match =
            if 2 * n >= self.len { (self.n_match / 2).max(MATCH_MIN) } else { (self.n_match * 2).min(MATCH_MAX) };
    }

    /// Counts what was computed at once, from `begin` on, in plain steps.
    pub(super) fn computed(&mut self, begin: usize, n: usize) {
        if self.n_exact == begin {
            self.n_exact += n;
        }
    }
}

/// The `len` tokens that followed the longest match of at least `n_match` tokens, the latest of equal ones.
fn guess(tokens: &[LlamaToken], n_match: usize, len: usize) -> Option<Vec<LlamaToken>> {
    let (last, n) = (tokens.last()?, tokens.len());
    let (mut best, mut from) = (n_match.saturating_sub(1), None);
    for end in (n_match..n).rev().filter(|&end| tokens[end - 1] == *last) {
        let backwards = tokens[..end].iter().rev().zip(tokens.iter().rev()).take(MATCH_MAX);
        let common = backwards.take_while(|(one, other)| one == other).count();
        if common > best {
            (best, from) = (common, Some(end));
            if common == MATCH_MAX {
                break;
            }
        }
    }
    let from = from?;
    // Where the match is the end of the tokens but for a few, those few repeat.
    let draft: Vec<LlamaToken> = (0..len).map(|i| tokens[from + i % (n - from)]).collect();
    (!draft.iter().any(|&token| is_picture(token))).then_some(draft)
}

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::{Drafter, MATCH_MAX, MATCH_MIN, Verdict, guess};

    fn tokens(text: &str) -> Vec<LlamaToken> {
        text.bytes().map(|byte| LlamaToken::new(byte.into())).collect()
    }

    fn guessed(text: &str, n_match: usize, len: usize) -> Option<String> {
        let draft = guess(&tokens(text), n_match, len)?;
        Some(draft.into_iter().map(|token| char::from(u8::try_from(token.0).unwrap())).collect())
    }

    #[test]
    fn what_followed_the_same_tokens_follows_them_again() {
        assert_eq!(guessed("the violet otter; the vi", 4, 6).as_deref(), Some("olet o"));
        assert_eq!(guessed("the violet otter; the vi", 7, 6), None);
        assert_eq!(guessed("nothing twice", 4, 6), None);
        assert_eq!(guessed("", 4, 6), None);
        assert_eq!(guessed("a", 1, 6), None);
    }

    #[test]
    fn the_longest_match_counts_and_then_the_latest() {
        assert_eq!(guessed("xabcd1 yabcd2 zabcd3 xabcd", 4, 1).as_deref(), Some("1"));
        assert_eq!(guessed("xabcd1 yabcd2 zabcd3 uabcd", 4, 1).as_deref(), Some("3"));
    }

    /// It has its full length in any case.
    #[test]
    fn a_draft_reads_on_in_itself() {
        assert_eq!(guessed("abababab", 4, 5).as_deref(), Some("ababa"));
        assert_eq!(guessed("aaaaa", 4, 3).as_deref(), Some("aaa"));
        assert_eq!(guessed("abcdeabcde", 4, 7).as_deref(), Some("abcdeab"));
    }

    #[test]
    fn a_picture_is_never_drafted() {
        let mut with_picture = tokens("seen: ");
        with_picture.extend([LlamaToken::new(i32::MIN); 4]);
        with_picture.extend(tokens("or seen: "));
        assert_eq!(guess(&with_picture, 4, 3), None);
    }

    /// What was drafted at lengths where bits differ stays in the cache when lengths come at which they do not.
    #[test]
    fn equal_steps_after_other_bits_are_not_taken_for_plain_ones() {
        let mut drafter = Drafter::new(8, 10);
        assert_eq!(drafter.judge(10, false, Verdict::Equal, 0.5), Some(Verdict::Equal));
        assert_eq!(drafter.judge(10, false, Verdict::Compare, 0.5), Some(Verdict::Compare));
        assert_eq!(drafter.judge(11, true, Verdict::Equal, 0.5), Some(Verdict::Ahead(0.5)));
        assert_eq!(drafter.judge(11, false, Verdict::Equal, 0.5), None);
        assert_eq!(drafter.judge(11, true, Verdict::Compare, 0.5), None);
        assert_eq!(drafter.judge(11, true, Verdict::Ahead(0.5), 0.5), Some(Verdict::Ahead(0.5)));
        assert_eq!(drafter.judge(10, false, Verdict::Ahead(0.5), 0.5), None);
        drafter.doubted = Some(vec![0.0]);
        assert_eq!(drafter.judge(10, true, Verdict::Ahead(0.5), 0.5), None, "it was doubted a moment ago");
    }

    #[test]
    fn longer_matches_are_asked_for_after_wrong_drafts() {
        let mut drafter = Drafter::new(8, 0);
        for n_match in [8, 16, 32, MATCH_MAX, MATCH_MAX] {
            drafter.learn(3);
            assert_eq!(drafter.n_match, n_match);
        }
        for n_match in [32, 16, 8, MATCH_MIN, MATCH_MIN] {
            drafter.learn(4);
            assert_eq!(drafter.n_match, n_match);
        }
    }

    #[test]
    fn what_is_computed_after_other_bits_has_other_bits() {
        let mut drafter = Drafter::new(8, 10);
        drafter.computed(10, 3);
        assert_eq!(drafter.n_exact, 13);
        drafter.computed(14, 1);
        assert_eq!(drafter.n_exact, 13);
    }
}
