//! The requests that are under way, for whoever looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::{AdapterView, Class, Phase};

/// What can be seen of one request while it is under way.
///
/// Written by the request's own task, read by anyone. Readers may see a phase and a count that never
/// stood together; nothing is decided from them, so relaxed loads and stores are enough.
#[derive(Debug)]
pub(crate) struct LiveRequest {
    /// The tag of its ask: how the lock's snapshot names it.
    pub(crate) tag: u64,
    pub(crate) request_id: String,
    pub(crate) client: Option<String>,
    pub(crate) class: Class,
    /// The adapter that is at work for it, once it has a lane.
    pub(crate) adapter: Option<AdapterView>,
    pub(crate) arrived: Instant,
    came_while_loading: bool,
    granted: OnceLock<Grant>,
    /// How long it waited for its model to be loaded, once that is over.
    loading: OnceLock<Duration>,
    first_token: OnceLock<Instant>,
    /// Tokens of the prompt, once they were given to the engine.
    prompt_tokens: AtomicU32,
    phase: AtomicU8,
    tokens: AtomicU32,
}

/// The lane that a request got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant {
    pub(crate) at: Instant,
    pub(crate) ticket: u64,
    pub(crate) lane: u64,
}

impl LiveRequest {
    pub(crate) fn new(
        tag: u64,
        request_id: String,
        client: Option<String>,
        class: Class,
        adapter: Option<AdapterView>,
        phase: Phase,
    ) -> Self {
        Self {
            tag,
            request_id,
            client,
            class,
            adapter,
            arrived: Instant::now(),
            came_while_loading: phase == Phase::Loading,
            granted: OnceLock::new(),
            loading: OnceLock::new(),
            first_token: OnceLock::new(),
            prompt_tokens: AtomicU32::new(0),
            phase: AtomicU8::new(phase as u8),
            tokens: AtomicU32::new(0),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        const ALL: [Phase; 6] =
            [Phase::Loading, Phase::Waiting, Phase::Encoding, Phase::Prefill, Phase::Decode, Phase::Stopping];
        ALL[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    pub(crate) fn set_granted(&self, grant: Grant) {
        self.granted.set(grant).expect("a request gets one lane in its life");
    }

    pub(crate) fn granted(&self) -> Option<Grant> {
        self.granted.get().copied()
    }

    /// The model is loaded. Counts only for whoever came before that.
    pub(crate) fn set_loaded(&self) {
        if self.came_while_loading {
            self.loading.get_or_init(|| self.arrived.elapsed());
        }
    }

    pub(crate) fn loading(&self) -> Duration {
        self.loading.get().copied().unwrap_or_default()
    }

    pub(crate) fn set_first_token(&self) {
        self.first_token.get_or_init(Instant::now);
    }

    pub(crate) fn first_token(&self) -> Option<Instant> {
        self.first_token.get().copied()
    }

    pub(crate) fn set_prompt_tokens(&self, tokens: u32) {
        self.prompt_tokens.store(tokens, Ordering::Relaxed);
    }

    pub(crate) fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens.load(Ordering::Relaxed)
    }

    pub(crate) fn count_token(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }
}

/// The requests of one model that are under way, by tag.
#[derive(Default)]
pub(crate) struct Live(Mutex<BTreeMap<u64, Arc<LiveRequest>>>);

impl Live {
    pub(crate) fn enter(&self, request: Arc<LiveRequest>) {
        self.0.lock().expect("no code panics while it holds this mutex").insert(request.tag, request);
    }

    pub(crate) fn leave(&self, tag: u64) {
        self.0.lock().expect("no code panics while it holds this mutex").remove(&tag);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().expect("no code panics while it holds this mutex").is_empty()
    }

    /// Whether the id of any of them is one that is looked for.
    pub(crate) fn any(&self, mut is: impl FnMut(&str) -> bool) -> bool {
        let requests = self.0.lock().expect("no code panics while it holds this mutex");
        requests.values().any(|request| is(&request.request_id))
    }

    pub(crate) fn get(&self, tag: u64) -> Option<Arc<LiveRequest>> {
        self.0.lock().expect("no code panics while it holds this mutex").get(&tag).cloned()
    }
}
