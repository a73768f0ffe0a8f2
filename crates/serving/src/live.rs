//! The requests that are under way, for whoever looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::time::Instant;

use crate::{Class, Phase};

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
    pub(crate) arrived: Instant,
    granted: OnceLock<Grant>,
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
    pub(crate) fn new(tag: u64, request_id: String, client: Option<String>, class: Class, phase: Phase) -> Self {
        Self {
            tag,
            request_id,
            client,
            class,
            arrived: Instant::now(),
            granted: OnceLock::new(),
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

    /// Whether the id of any of them is one that is looked for.
    pub(crate) fn any(&self, mut is: impl FnMut(&str) -> bool) -> bool {
        let requests = self.0.lock().expect("no code panics while it holds this mutex");
        requests.values().any(|request| is(&request.request_id))
    }

    pub(crate) fn get(&self, tag: u64) -> Option<Arc<LiveRequest>> {
        self.0.lock().expect("no code panics while it holds this mutex").get(&tag).cloned()
    }
}
