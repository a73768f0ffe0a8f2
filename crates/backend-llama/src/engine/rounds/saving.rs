//! What a lane has computed is put aside before another conversation takes its place, and brought back when it goes on.

use backend::Adapter;
use llama_cpp_2::token::LlamaToken;

use super::Engine;
use crate::engine::cache::Reuse;

impl Engine<'_> {
    /// Gives a lane what is known of a prompt, where something that was put aside has more of it than the lane. How much of
    /// the prompt need not be computed, of which the lane had `n_known`. With `Reuse::Never` nothing is brought back.
    pub(super) fn exchange(
        &mut self,
        lane: usize,
        prompt: &[LlamaToken],
        adapter: Option<Adapter>,
        reuse: Reuse,
        n_known: usize,
    ) -> usize {
        if !self.saved.is_on() {
            return n_known;
        }
        // First, or it might have to make room for what is put aside.
        let found = self.saved.take(prompt, adapter, reuse, n_known);
        self.put_aside(lane, n_known);
        let Some(kept) = found else { return n_known };
        let slot = &mut self.slots[lane];
        if let Err(reason) = self.session.restore(lane, &kept.state) {
            tracing::warn!(lane, reason, "a saved state could not be brought back; its prompt is computed");
            slot.cache.cut(0);
            return 0;
        }
        slot.cache = kept.cache.clone();
        let n_cached = slot.cache.reusable(prompt, reuse);
        self.session.shared().saved_counts.count_restored();
        tracing::debug!(lane, n_cached, "a saved state was brought back");
        // Another conversation that only begins alike leaves it for its own.
        if n_cached.saturating_mul(2) < kept.cache.len() {
            self.saved.keep(kept.cache, adapter, kept.state);
        }
        n_cached
    }

    /// Saves what a lane has, of which the next prompt uses so much. One that goes on takes most of it along, and is not
    /// worth the copy; nor is what was saved before.
    fn put_aside(&mut self, lane: usize, n_used: usize) {
        let reuse = self.session.shared().limits.reuse;
        let slot = &mut self.slots[lane];
        let n_tokens = slot.cache.worth_saving(reuse);
        if n_tokens <= n_used.saturating_mul(2) {
            return;
        }
        // What follows would not be used again.
        if !self.session.cut(lane, n_tokens) {
            return;
        }
        slot.cache.cut(n_tokens);
        let cache = slot.cache.without_logits();
        if self.saved.has(&cache, slot.adapter) || !self.saved.has_room(self.session.state_len(lane)) {
            return;
        }
        match self.session.save(lane) {
            Ok(state) => {
                self.saved.keep(cache, slot.adapter, state);
                tracing::debug!(lane, n_tokens, bytes = self.saved.bytes(), "a lane's state was saved");
            }
            Err(reason) => tracing::warn!(lane, reason, "a lane's state could not be saved"),
        }
    }
}
