//! What lanes have computed for conversations that had to make room for others, within a number of bytes.
//!
//! A state is found by its tokens, which are compared one by one, and by the adapter that it was computed with: whose
//! conversation it was plays no part, so nobody can get what another prompt would not compute. The one that was not used for
//! the longest goes first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backend::{Adapter, SavedStates};
use llama_cpp_2::SeqState;
use llama_cpp_2::token::LlamaToken;

use super::cache::{Cache, Reuse};

/// What the engines of an instance tell of their states. For display, so no order with other memory is needed.
#[derive(Debug, Default)]
pub(crate) struct SavedCounts {
    bytes: AtomicU64,
    restored: AtomicU64,
    evicted: AtomicU64,
}

impl SavedCounts {
    /// What they told.
    pub(crate) fn told(&self) -> SavedStates {
        let all = [&self.bytes, &self.restored, &self.evicted];
        let [bytes, restored, evicted] = all.map(|count| count.load(Ordering::Relaxed));
        SavedStates { bytes, restored, evicted }
    }

    /// Something was brought back.
    pub(super) fn count_restored(&self) {
        self.restored.fetch_add(1, Ordering::Relaxed);
    }
}

/// Something that takes memory.
pub(super) trait InMemory {
    fn n_bytes(&self) -> usize;
}

impl InMemory for SeqState {
    fn n_bytes(&self) -> usize {
        self.byte_len()
    }
}

/// A lane's state, and what it is the state of.
pub(super) struct Kept<S> {
    pub(super) cache: Cache,
    adapter: Option<Adapter>,
    pub(super) state: S,
}

/// The states of one engine.
pub(super) struct Saved<S> {
    /// The one that was used last comes last.
    kept: VecDeque<Kept<S>>,
    /// Of all of them.
    bytes: usize,
    bytes_max: usize,
    counts: Arc<SavedCounts>,
}

impl<S: InMemory> Saved<S> {
    /// None yet. With 0 bytes there never is one.
    pub(super) fn new(bytes_max: usize, counts: Arc<SavedCounts>) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, bytes_max, counts }
    }

    pub(super) fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// Bytes that are taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a state of so many bytes can be kept at all.
    pub(super) fn has_room(&self, n_bytes: usize) -> bool {
        n_bytes <= self.bytes_max
    }

    /// Whether there is a state that has all of this; it counts as used.
    pub(super) fn has(&mut self, cache: &Cache, adapter: Option<Adapter>) -> bool {
        let at = self.kept.iter().position(|kept| kept.adapter == adapter && kept.cache.begins_with(cache));
        at.is_some_and(|at| {
            self.touch(at);
            true
        })
    }

    /// Keeps a state. Those that it goes on from are no longer needed, and the oldest go until there is room.
    pub(super) fn keep(&mut self, cache: Cache, adapter: Option<Adapter>, state: S) {
        let new = Kept { cache, adapter, state };
        // Its tokens take memory, too: nobody makes room for one that does not fit in the end.
        if new.n_bytes() > self.bytes_max {
            return;
        }
        self.retain(|kept| kept.adapter != adapter || !new.cache.begins_with(&kept.cache));
        while self.bytes + new.n_bytes() > self.bytes_max {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.set_bytes(self.bytes - oldest.n_bytes());
            self.counts.evicted.fetch_add(1, Ordering::Relaxed);
        }
        self.set_bytes(self.bytes + new.n_bytes());
        self.kept.push_back(new);
    }

    /// Takes out the state of which the most can be used for a prompt, where that is more than so many tokens.
    pub(super) fn take(
        &mut self,
        prompt: &[LlamaToken],
        adapter: Option<Adapter>,
        reuse: Reuse,
        more_than: usize,
    ) -> Option<Kept<S>> {
        let of_adapter = self.kept.iter().enumerate().filter(|(_, kept)| kept.adapter == adapter);
        let useful = of_adapter.map(|(at, kept)| (kept.cache.reusable(prompt, reuse), at));
        let (_, at) = useful.max().filter(|(n_tokens, _)| *n_tokens > more_than)?;
        let taken = self.kept.remove(at)?;
        self.set_bytes(self.bytes - taken.n_bytes());
        Some(taken)
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
    }

    fn touch(&mut self, at: usize) {
        if let Some(used) = self.kept.remove(at) {
            self.kept.push_back(used);
        }
    }

    fn retain(&mut self, stays: impl Fn(&Kept<S>) -> bool) {
        self.kept.retain(stays);
        self.set_bytes(self.kept.iter().map(Kept::n_bytes).sum());
    }

    fn set_bytes(&mut self, bytes: usize) {
        // Others add to the same count: only the difference is this one's. It wraps where it is less.
        self.counts.bytes.fetch_add((bytes as u64).wrapping_sub(self.bytes as u64), Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl<S: InMemory> Kept<S> {
    fn n_bytes(&self) -> usize {
        self.state.n_bytes() + self.cache.len() * size_of::<LlamaToken>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use backend::{Adapter, Scale};
    use llama_cpp_2::token::LlamaToken;

    use super::{InMemory, Saved, SavedCounts};
    use crate::engine::cache::{Cache, Reuse};

    /// A hundred bytes, with those of four tokens.
    struct State(&'static str);

    impl InMemory for State {
        fn n_bytes(&self) -> usize {
            84
        }
    }

    fn tokens(ids: &[i32]) -> Vec<LlamaToken> {
        ids.iter().copied().map(LlamaToken::new).collect()
    }

    fn cache(ids: [i32; 4]) -> Cache {
        let mut cache = Cache::new(2);
        ids.chunks(2).for_each(|step| cache.push(&tokens(step)));
        cache
    }

    fn found(saved: &mut Saved<State>, prompt: &[i32], adapter: Option<Adapter>) -> Option<&'static str> {
        let kept = saved.take(&tokens(prompt), adapter, Reuse::Steps, 0)?;
        let name = kept.state.0;
        saved.keep(kept.cache, adapter, kept.state);
        Some(name)
    }

    #[test]
    fn the_one_that_was_not_used_for_the_longest_goes_first() {
        let counts = Arc::new(SavedCounts::default());
        let mut saved = Saved::new(200, Arc::clone(&counts));
        saved.keep(cache([1, 1, 1, 1]), None, State("a"));
        saved.keep(cache([2, 2, 2, 2]), None, State("b"));
        assert_eq!((saved.bytes(), counts.told().bytes), (200, 200));
        let mut beside = Saved::new(100, Arc::clone(&counts));
        beside.keep(cache([1, 1, 1, 1]), None, State("another replica's"));
        assert_eq!(counts.told().bytes, 300);
        beside.clear();
        assert_eq!(counts.told().bytes, 200);
        assert_eq!(found(&mut saved, &[1, 1, 1, 1, 9], None), Some("a"));
        assert_eq!(counts.told().evicted, 0, "neither who is forgotten nor who is taken out made room for anybody");
        saved.keep(cache([3, 3, 3, 3]), None, State("c"));
        assert_eq!(found(&mut saved, &[2, 2, 2, 2, 9], None), None, "b was the oldest");
        assert_eq!(counts.told().evicted, 1);
        assert_eq!(found(&mut saved, &[1, 1, 1, 1, 9], None), Some("a"));
        assert_eq!(found(&mut saved, &[3, 3, 3, 3, 9], None), Some("c"));
        // To ask whether it is there counts as well.
        assert!(saved.has(&cache([1, 1, 1, 1]), None) && !saved.has(&cache([2, 2, 2, 2]), None));
        saved.keep(cache([4, 4, 4, 4]), None, State("d"));
        assert_eq!((found(&mut saved, &[3, 3, 3, 3, 9], None), saved.bytes()), (None, 200));
        let mut small = Saved::new(99, counts);
        small.keep(cache([1, 1, 1, 1]), None, State("a"));
        assert!(!small.has_room(100) && small.bytes() == 0, "nothing is kept beyond the bound");
    }

    /// The first other token ends what is the same, and what one adapter computed is nothing to another.
    #[test]
    fn a_state_is_found_by_its_tokens_and_its_adapter() {
        let adapter = Some(Adapter { number: 0, scale: Scale::ONE });
        let mut saved = Saved::new(1000, Arc::default());
        saved.keep(cache([1, 2, 3, 4]), None, State("plain"));
        saved.keep(cache([1, 2, 3, 5]), adapter, State("adapted"));
        assert_eq!(found(&mut saved, &[1, 2, 3, 5, 6], None), Some("plain"), "its first step is the same");
        assert_eq!(found(&mut saved, &[1, 2, 3, 4, 6], adapter), Some("adapted"));
        assert_eq!(found(&mut saved, &[1, 9, 3, 4, 6], None), None);
        let more = saved.take(&tokens(&[1, 2, 3, 4, 6]), None, Reuse::Steps, 4);
        assert!(more.is_none(), "the lane itself has as much");
    }

    /// Its bytes fit, and with its tokens they do not.
    #[test]
    fn nobody_goes_for_a_state_that_is_not_kept_in_the_end() {
        let counts = Arc::new(SavedCounts::default());
        let mut saved = Saved::new(100, Arc::clone(&counts));
        saved.keep(cache([1, 1, 1, 1]), None, State("a"));
        let mut longer = cache([2, 2, 2, 2]);
        longer.push(&tokens(&[2]));
        assert!(saved.has_room(State("b").n_bytes()));
        saved.keep(longer, None, State("b"));
        assert_eq!(found(&mut saved, &[1, 1, 1, 1, 5], None), Some("a"));
        assert_eq!((saved.bytes(), counts.told().evicted), (100, 0));
    }

    #[test]
    fn a_conversation_that_went_on_takes_the_place_of_what_it_was() {
        let mut saved = Saved::new(1000, Arc::default());
        let mut longer = cache([1, 2, 3, 4]);
        longer.push(&tokens(&[5, 6]));
        saved.keep(cache([1, 2, 3, 4]), None, State("before"));
        saved.keep(longer, None, State("after"));
        assert_eq!(saved.bytes(), 84 + 6 * 4);
        assert!(saved.has(&cache([1, 2, 3, 4]), None));
        let taken = saved.take(&tokens(&[1, 2, 3, 4, 5]), None, Reuse::Steps, 0);
        assert_eq!((taken.map(|kept| kept.state.0), saved.bytes()), (Some("after"), 0));
    }
}
