//! Drafts: tokens of an answer that are guessed and computed in one step with the next one.
//!
//! ```text
//! plain steps:     t0 │ t1 │ t2 │ t3         each token is chosen from the logits after the one before
//! with a draft:    t0 d1 d2 d3               t1 is chosen after t0; if it is d1, t2 is chosen after d1, and so on
//! ```
//!
//! The tokens are chosen as ever, one after the other and by the same sampler, so chance, penalties, constraints and stop
//! strings see what they see without drafts. What was guessed wrong is taken out of the cache. What may differ are the last
//! bits of the logits, see `trust`: a draft is looked at where they do not, or where the best logit is so far ahead that they
//! do not matter. Where it is not, the tokens since the last that has the bits of plain steps are computed again in plain
//! steps, and the choice is made from what comes out. That takes as long as it would have without drafts; the
//! draft came on top.

use super::Engine;
use crate::answering::Trouble;
use crate::engine::task::Choice;
use crate::engine::trust::Verdict;

impl Engine<'_> {
    /// Decides what the next step of a lane alone is to compute along.
    pub(super) fn guess(&mut self) {
        let context_len = self.session.shared().limits.context_len as usize;
        if let [slot] = &mut self.slots[..]
            && let Some(task) = &mut slot.task
        {
            task.guess(slot.cache.len(), context_len, &self.trust);
        }
    }

    /// Takes the results of a step with a draft to its task. The logits of the first token are at `place`.
    pub(super) fn advance_draft(&mut self, lane: usize, place: i32) -> Result<(), Trouble> {
        let slot = &mut self.slots[lane];
        let (Some(task), Some(context)) = (&mut slot.task, self.session.context()) else { return Ok(()) };
        let begin = slot.cache.len();
        let (draft, verdict) = task.take_draft();
        let places = (place..).take(draft.len() + 1);
        let mut rows = places.map(|place| context.get_logits_ith(place));
        if verdict == Verdict::Compare {
            task.compare(begin, draft, rows.map(<[f32]>::to_vec).collect());
            return self.take_back(lane, begin);
        }
        task.drafted(draft.len());
        let (mut n, mut latest) = (0, task.tokens[begin]);
        let outcome = loop {
            let Some(logits) = rows.next() else { break Ok(Choice::Made) };
            slot.cache.push(&[latest]);
            if verdict == Verdict::Equal {
                task.computed(begin + n, 1);
            }
            let guess = draft.get(n).copied();
            let outcome = task.choose_drafted(logits, verdict, guess);
            match guess {
                Some(guessed) if outcome == Ok(Choice::Made) && task.chosen() == Some(guessed) => latest = guessed,
                _ => break outcome,
            }
            n += 1;
        };
        self.trust.won(begin + 1 + draft.len(), n);
        if outcome != Ok(Choice::Doubted) {
            task.learn(n);
        }
        let len = slot.cache.len();
        self.take_back(lane, len)?;
        self.go_back_if(lane, outcome?)
    }

    /// Where nothing was chosen, takes back what has other bits than plain steps give, so that it is computed by those.
    pub(super) fn go_back_if(&mut self, lane: usize, choice: Choice) -> Result<(), Trouble> {
        let slot = &self.slots[lane];
        let (len, Some(task)) = (slot.cache.len(), &slot.task) else { return Ok(()) };
        if choice == Choice::Made {
            return Ok(());
        }
        let n_exact = task.n_exact(len);
        self.trust.lost(len, len - n_exact);
        self.take_back(lane, n_exact)
    }

    /// Leaves `len` tokens in a lane's cache.
    fn take_back(&mut self, lane: usize, len: usize) -> Result<(), Trouble> {
        let cache = &mut self.slots[lane].cache;
        cache.shorten(len);
        let position = cache.position();
        if self.session.cut(lane, position) {
            return Ok(());
        }
        Err(Trouble::Engine("the model cannot go back to an earlier token".to_string()))
    }
}
