//! What a generation does about its drafts.

use llama_cpp_2::token::LlamaToken;

use super::Task;
use crate::answering::Trouble;
use crate::engine::draft::{Comparison, Drafter};
use crate::engine::trust::{Trust, Verdict};

/// What came of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Choice {
    /// A token was chosen, or the end told.
    Made,
    /// Nothing was, since plain steps might choose something else.
    Doubted,
}

impl Task {
    /// Has drafts of `len` tokens computed along from now on.
    pub(in crate::engine) fn draft_along(&mut self, len: usize) {
        self.drafter = Some(Drafter::new(len, self.n_cached));
    }

    /// The draft of the next step; none where there is none.
    pub(in crate::engine) fn draft(&self) -> &[LlamaToken] {
        self.drafter.as_ref().map_or(&[], |drafter| &drafter.draft)
    }

    /// Guesses what comes after the next token, where it is worth while. The cache has room for `context_len` tokens.
    pub(in crate::engine) fn guess(&mut self, n_computed: usize, context_len: usize, trust: &Trust) {
        let is_ready = self.is_answer(n_computed) && !self.is_held_up() && !self.has_ended;
        let (n_left, is_steady) = (self.answering.n_left(), self.answering.is_steady());
        let Some(drafter) = &mut self.drafter else { return };
        drafter.draft.clear();
        let len = self.tokens.len() + drafter.len;
        let has_room = len <= context_len && drafter.len < n_left;
        if !is_ready || !has_room {
            return;
        }
        if let Some(verdict) = drafter.judge(n_computed, is_steady, trust.verdict(len), trust.ahead()) {
            drafter.guess(&self.tokens, verdict);
        }
    }

    /// Gives drafts up where there is one. `false` where there is none.
    pub(in crate::engine) fn gives_up_draft(&mut self) -> bool {
        let Some(drafter) = self.drafter.as_mut().filter(|drafter| !drafter.draft.is_empty()) else { return false };
        drafter.draft.clear();
        drafter.is_off = true;
        true
    }

    /// Counts what a step computed in plain order.
    pub(in crate::engine) fn computed(&mut self, begin: usize, n: usize) {
        if let Some(drafter) = &mut self.drafter {
            drafter.computed(begin, n);
        }
    }

    /// How many tokens of the cache have the bits of plain steps. All, where nothing was ever drafted.
    pub(in crate::engine) fn n_exact(&self, n_computed: usize) -> usize {
        self.drafter.as_ref().map_or(n_computed, |drafter| drafter.n_exact)
    }

    /// Goes on after a step without a draft, after which the cache holds `len` tokens.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub(in crate::engine) fn choose_plainly(
        &mut self,
        len: usize,
        logits: &[f32],
        trust: &mut Trust,
    ) -> Result<Choice, Trouble> {
        let Some(drafter) = &mut self.drafter else { return self.choose(logits).map(|()| Choice::Made) };
        if drafter.n_exact < len {
            return self.choose_if_ahead(logits, trust.ahead(), None);
        }
        if let Some(doubted) = drafter.doubted.take() {
            trust.compare(len, &doubted, logits);
        }
        let row = drafter.comparison.as_ref().map(|comparison| {
            let row = len - 1 - comparison.begin;
            trust.compare(len, &comparison.logits[row], logits);
            row
        });
        self.choose(logits)?;
        if let Some(row) = row {
            self.compare_on(row);
        }
        Ok(Choice::Made)
    }

    /// Chooses from the logits of a draft that is good for so much; `guess` is what the draft goes on with, where it does.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub(in crate::engine) fn choose_drafted(
        &mut self,
        logits: &[f32],
        verdict: Verdict,
        guess: Option<LlamaToken>,
    ) -> Result<Choice, Trouble> {
        match verdict {
            Verdict::Ahead(by) => self.choose_if_ahead(logits, by, guess),
            _ => self.choose_guessed(logits, guess).map(|()| Choice::Made),
        }
    }

    /// Chooses a token where the best one is ahead of all others by so much.
    fn choose_if_ahead(&mut self, logits: &[f32], by: f32, guess: Option<LlamaToken>) -> Result<Choice, Trouble> {
        if self.answering.is_ahead(logits, by) {
            return self.choose_guessed(logits, guess).map(|()| Choice::Made);
        }
        if let Some(drafter) = &mut self.drafter {
            drafter.doubted = Some(logits.to_vec());
            drafter.learn(0);
        }
        Ok(Choice::Doubted)
    }

    /// Keeps a draft and its logits, to be compared with those of the plain steps that come next.
    pub(in crate::engine) fn compare(&mut self, begin: usize, draft: Vec<LlamaToken>, logits: Vec<Vec<f32>>) {
        if let Some(drafter) = &mut self.drafter {
            drafter.comparison = Some(Comparison { begin, draft, logits });
        }
    }

    /// Ends the comparison where the plain steps went another way than the draft.
    fn compare_on(&mut self, row: usize) {
        let chosen = self.chosen();
        let Some(drafter) = &mut self.drafter else { return };
        let goes_on = |comparison: &Comparison| comparison.draft.get(row).copied() == chosen && chosen.is_some();
        if !drafter.comparison.as_ref().is_some_and(goes_on) {
            drafter.comparison = None;
            drafter.learn(row);
        }
    }

    /// The token that was chosen last and is to be computed, if the answer goes on.
    pub(in crate::engine) fn chosen(&self) -> Option<LlamaToken> {
        if self.has_ended { None } else { self.tokens.last().copied() }
    }

    /// Takes the draft of a step that was computed, and what it is good for.
    pub(in crate::engine) fn take_draft(&mut self) -> (Vec<LlamaToken>, Verdict) {
        let drafter = self.drafter.as_mut();
        drafter.map_or((Vec::new(), Verdict::Useless), |drafter| (std::mem::take(&mut drafter.draft), drafter.verdict))
    }

    /// Counts a draft that is looked at. It is told with the end, which may come with any token of it.
    pub(in crate::engine) fn drafted(&mut self, n: usize) {
        if let Some(drafter) = &mut self.drafter {
            drafter.n_drafted += n;
        }
    }

    /// Counts a token of a draft that became part of the answer.
    pub(super) fn accepted(&mut self) {
        if let Some(drafter) = &mut self.drafter {
            drafter.n_accepted += 1;
        }
    }

    /// Learns that the first `n` tokens of a draft were right.
    pub(in crate::engine) fn learn(&mut self, n: usize) {
        if let Some(drafter) = &mut self.drafter {
            drafter.learn(n);
        }
    }
}
