//! What the cache of a lane holds, and how much of it the next prompt can use.
//!
//! How a prompt was cut into steps shows in the last bits of what is computed, and so, now and then, in the text. A
//! lane alone must give the text that it gives with an empty cache. So it uses again only whole steps that begin where
//! a new run would begin them; the tokens of an answer, computed one by one, are computed anew. A lane that is computed
//! together with others has no such text to keep, and uses everything.
//!
//! The logits after the latest prompt are kept as well. Where the same prompt comes again, and the cache still holds it as it
//! was computed, its answer begins from them at once. They are one row: four bytes for each token of the vocabulary.

use llama_cpp_2::token::LlamaToken;

use crate::answering::is_picture;

/// How much is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Nothing: the model cannot go back to an earlier state.
    Never,
    /// Whole steps.
    Steps,
    /// Every token.
    Tokens,
}

/// The tokens that a lane's cache holds, from the first.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    /// The most tokens that are computed at once.
    step: usize,
    tokens: Vec<LlamaToken>,
    /// Tokens from the front that were computed in whole steps: a multiple of `step`, at most as many as there are.
    n_in_steps: usize,
    /// By how much the next position is behind the number of tokens. Some models give all parts of a picture few positions.
    lag: usize,
    /// How many tokens from the front were the latest prompt, if its logits are kept.
    n_prompt: Option<usize>,
    /// Those logits; without a prompt they are nobody's, and kept for their memory.
    logits: Vec<f32>,
}

impl Cache {
    pub(super) fn new(step: usize) -> Self {
        Self { step, tokens: Vec::new(), n_in_steps: 0, lag: 0, n_prompt: None, logits: Vec::new() }
    }

    /// How many tokens it holds.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The position of the next token.
    pub(super) fn position(&self) -> usize {
        self.tokens.len() - self.lag
    }

    /// How many tokens of a prompt need not be computed again. At least one always does, for its logits, unless they are
    /// [kept](Self::logits): then it may be all.
    pub(super) fn reusable(&self, prompt: &[LlamaToken], reuse: Reuse) -> usize {
        // A picture is only known by its number in the prompt, and the first of one conversation is not that of another.
        let same = |(held, wanted): &(&LlamaToken, &LlamaToken)| held == wanted && !is_picture(**held);
        let common = self.tokens.iter().zip(prompt).take_while(same).count();
        if reuse != Reuse::Never && common == prompt.len() && self.n_prompt == Some(common) {
            return common;
        }
        let most = common.min(prompt.len().saturating_sub(1));
        match reuse {
            Reuse::Never => 0,
            Reuse::Steps => most.min(self.n_in_steps) / self.step * self.step,
            Reuse::Tokens => most,
        }
    }

    /// How many of its tokens another prompt could use: those that are worth keeping when it is given up. None where it has a
    /// picture, which cannot be found again.
    pub(super) fn worth_saving(&self, reuse: Reuse) -> usize {
        match reuse {
            _ if self.tokens.iter().any(|&token| is_picture(token)) => 0,
            Reuse::Never => 0,
            Reuse::Steps => self.n_in_steps,
            Reuse::Tokens => self.tokens.len(),
        }
    }

    /// Whether it holds all that the other one does, computed in the same steps.
    pub(super) fn begins_with(&self, other: &Self) -> bool {
        self.n_in_steps >= other.n_in_steps && self.tokens.starts_with(&other.tokens)
    }

    /// The same without the logits of its prompt.
    pub(super) fn without_logits(&self) -> Self {
        Self { n_prompt: None, logits: Vec::new(), tokens: self.tokens.clone(), ..*self }
    }

    /// Forgets everything from a token on, which is 0 or what [`reusable`](Self::reusable) said: before any picture.
    pub(super) fn cut(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.lag = 0;
        self.n_prompt = self.n_prompt.filter(|&n_prompt| n_prompt <= len);
        self.n_in_steps = self.n_in_steps.min(len) / self.step * self.step;
    }

    /// Forgets the last tokens of an answer, so that this many are left.
    pub(super) fn shorten(&mut self, len: usize) {
        debug_assert!(self.n_prompt.is_none_or(|n_prompt| n_prompt <= len), "a prompt is not an answer");
        self.tokens.truncate(len);
    }

    /// Remembers a picture, after which the next token stands at this position.
    pub(super) fn push_picture(&mut self, tokens: &[LlamaToken], next: usize) {
        self.push(tokens);
        self.lag = self.tokens.len().saturating_sub(next);
    }

    /// Remembers what was computed at once.
    pub(super) fn push(&mut self, tokens: &[LlamaToken]) {
        if self.n_in_steps == self.tokens.len() && tokens.len() == self.step {
            self.n_in_steps += self.step;
        }
        self.tokens.extend_from_slice(tokens);
    }

    /// Keeps the logits after the tokens that it holds, which are a whole prompt.
    pub(super) fn keep_logits(&mut self, logits: &[f32]) {
        self.n_prompt = Some(self.tokens.len());
        self.logits.clear();
        self.logits.extend_from_slice(logits);
    }

    /// The logits after a prompt of which nothing is left to compute: all that it holds.
    pub(super) fn logits(&self) -> Option<&[f32]> {
        (self.n_prompt == Some(self.tokens.len())).then_some(self.logits.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::{Cache, Reuse};

    fn tokens(ids: impl IntoIterator<Item = i32>) -> Vec<LlamaToken> {
        ids.into_iter().map(LlamaToken::new).collect()
    }

    /// A cache after a prompt of ten tokens in steps of four, and an answer of three.
    fn cache() -> Cache {
        let mut cache = Cache::new(4);
        for step in [0..4, 4..8, 8..10, 10..11, 11..12, 12..13] {
            cache.push(&tokens(step));
        }
        cache
    }

    fn reusable(prompt: impl IntoIterator<Item = i32>) -> [usize; 3] {
        let prompt = tokens(prompt);
        [Reuse::Never, Reuse::Steps, Reuse::Tokens].map(|reuse| cache().reusable(&prompt, reuse))
    }

    #[test]
    fn a_longer_prompt_finds_whole_steps_or_every_token() {
        assert_eq!(reusable(0..20), [0, 8, 13]);
    }

    #[test]
    fn the_first_other_token_ends_it() {
        assert_eq!(reusable([0, 1, 2, 3, 4, 5, 9, 9, 9]), [0, 4, 6]);
        assert_eq!(reusable([9, 1, 2, 3]), [0, 0, 0]);
        assert_eq!(reusable([]), [0, 0, 0]);
    }

    /// The last token is computed again where there are no logits to choose the next one from.
    #[test]
    fn one_token_is_left_to_compute() {
        assert_eq!(reusable(0..8), [0, 4, 7]);
        assert_eq!(reusable(0..13), [0, 8, 12]);
    }

    /// Tokens that were computed one by one are not used as a step, even where there are as many.
    #[test]
    fn an_answer_never_counts_as_a_step() {
        let mut cache = Cache::new(4);
        cache.push(&tokens(0..4));
        for token in 4..8 {
            cache.push(&tokens([token]));
        }
        // A whole step, but not where a new run has one before it.
        cache.push(&tokens(8..12));
        assert_eq!(cache.reusable(&tokens(0..20), Reuse::Steps), 4);
    }

    /// Two conversations that begin alike may go on with different pictures, which have the same number.
    #[test]
    fn a_picture_is_never_found_again() {
        let mut cache = Cache::new(4);
        let prompt = tokens([0, 1, 2, 3, 4, 5, i32::MIN, i32::MIN, 8, 9]);
        for step in [&prompt[..4], &prompt[4..6], &prompt[6..8], &prompt[8..]] {
            cache.push(step);
        }
        assert_eq!([Reuse::Steps, Reuse::Tokens].map(|reuse| cache.reusable(&prompt, reuse)), [4, 6]);
    }

    /// A model may give a picture of four tokens one position.
    #[test]
    fn positions_lag_behind_after_a_picture_and_no_longer_when_it_is_forgotten() {
        let mut cache = Cache::new(4);
        cache.push(&tokens([0, 1]));
        assert_eq!(cache.position(), 2);
        cache.push_picture(&tokens([i32::MIN; 4]), 3);
        cache.push(&tokens([7]));
        assert_eq!((cache.len(), cache.position()), (7, 4));
        cache.cut(2);
        assert_eq!((cache.len(), cache.position()), (2, 2));
    }

    /// The same prompt needs nothing, one that is longer or shorter gets nothing of it, and neither does one after the cache
    /// was cut within it: what is computed there again may be of other steps.
    #[test]
    fn logits_are_for_the_very_prompt_that_they_came_from() {
        let mut cache = Cache::new(4);
        for step in [0..4, 4..8, 8..10] {
            cache.push(&tokens(step));
        }
        cache.keep_logits(&[0.5, 0.25]);
        assert_eq!(cache.logits(), Some(&[0.5, 0.25][..]));
        cache.push(&tokens(10..11));
        assert_eq!(cache.logits(), None, "a token was computed since");
        let all = |cache: &Cache, prompt: &[LlamaToken]| {
            [Reuse::Never, Reuse::Steps, Reuse::Tokens].map(|reuse| cache.reusable(prompt, reuse))
        };
        assert_eq!(all(&cache, &tokens(0..10)), [0, 10, 10]);
        assert_eq!(all(&cache, &tokens(0..11)), [0, 8, 10]);
        assert_eq!(all(&cache, &tokens(0..9)), [0, 8, 8]);
        assert_eq!(all(&cache, &tokens((0..9).chain([99]))), [0, 8, 9]);
        cache.cut(10);
        assert_eq!(cache.logits(), Some(&[0.5, 0.25][..]));
        cache.cut(9);
        assert_eq!(cache.logits(), None);
        cache.push(&tokens(9..10));
        assert_eq!((cache.logits(), all(&cache, &tokens(0..10))), (None, [0, 8, 9]));
    }

    /// Whole steps, or all, and nothing where there is a picture.
    #[test]
    fn what_could_be_used_again_is_worth_saving() {
        let worth = |cache: &Cache| [Reuse::Never, Reuse::Steps, Reuse::Tokens].map(|reuse| cache.worth_saving(reuse));
        assert_eq!(worth(&cache()), [0, 8, 13]);
        let (mut shorter, mut seeing) = (cache(), cache());
        shorter.cut(8);
        assert!(cache().begins_with(&shorter) && !shorter.begins_with(&cache()));
        // The same tokens in other steps are not the same to the last bit.
        let mut one_by_one = Cache::new(4);
        (0..13).for_each(|token| one_by_one.push(&tokens([token])));
        assert!(cache().begins_with(&one_by_one) && !one_by_one.begins_with(&cache()));
        seeing.push_picture(&tokens([i32::MIN; 4]), 14);
        assert_eq!(worth(&seeing), [0, 0, 0]);
    }

    /// What is before an answer stays what it is, a picture in the prompt and the logits of the prompt included.
    #[test]
    fn an_answer_is_shortened_and_nothing_else() {
        let mut cache = Cache::new(4);
        cache.push(&tokens([0, 1, 2, 3]));
        cache.push_picture(&tokens([i32::MIN; 4]), 5);
        cache.push(&tokens([7]));
        cache.keep_logits(&[0.5]);
        for token in 8..12 {
            cache.push(&tokens([token]));
        }
        cache.shorten(10);
        assert_eq!((cache.len(), cache.position(), cache.logits()), (10, 7, None));
        cache.shorten(9);
        assert_eq!((cache.len(), cache.position(), cache.logits()), (9, 6, Some(&[0.5][..])));
        assert_eq!(cache.reusable(&tokens(0..9), Reuse::Steps), 4);
    }

    #[test]
    fn what_was_cut_is_forgotten() {
        let mut cache = cache();
        cache.cut(6);
        assert_eq!(cache.reusable(&tokens(0..20), Reuse::Tokens), 6);
        assert_eq!(cache.reusable(&tokens(0..20), Reuse::Steps), 4);
        assert_eq!(cache.len(), 6);
        // The step that was cut in two does not become whole again by what follows.
        cache.push(&tokens(6..10));
        assert_eq!(cache.reusable(&tokens(0..20), Reuse::Steps), 4);
    }
}
