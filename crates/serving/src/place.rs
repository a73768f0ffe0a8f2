//! Where a request is, for the one who waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::instance::Instance;
use crate::live::LiveRequest;
use crate::{LoadState, Phase};

/// Where a request is that has not ended yet. Advisory: it has changed by the time it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Its model is being loaded.
    Loading {
        /// Share done, 0.0 to 1.0.
        progress: f32,
    },
    /// It waits for a lane.
    Queued {
        /// 1 is next.
        position: usize,
        /// About how long it will wait from now on, judging by recent holds; `None` while there were none.
        expected_wait: Option<Duration>,
    },
    /// It has a lane, and this is what happens there.
    Served(Phase),
}

/// Looks at one request.
pub(crate) struct Lookout {
    instance: Arc<Instance>,
    live: Arc<LiveRequest>,
}

impl Lookout {
    pub(crate) fn new(instance: Arc<Instance>, live: Arc<LiveRequest>) -> Self {
        Self { instance, live }
    }

    /// Takes time in proportion to the number of waiters.
    pub(crate) fn place(&self) -> Place {
        if self.live.granted().is_some() {
            return Place::Served(self.live.phase());
        }
        match self.instance.load_state() {
            LoadState::Loading { progress } => return Place::Loading { progress },
            LoadState::Unloaded => return Place::Loading { progress: 0.0 },
            LoadState::Ready | LoadState::Failed { .. } => {}
        }
        let snapshot = self.instance.lock.snapshot();
        match snapshot.waiting.iter().find(|waiter| waiter.tag == self.live.tag) {
            Some(waiter) => Place::Queued {
                position: waiter.position + 1,
                expected_wait: self.instance.lock.expected_wait(waiter.position).map(Duration::from_nanos),
            },
            // Granted, and its task has not noticed yet.
            None => Place::Served(Phase::Encoding),
        }
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("model", &self.instance.id()).field("request", &self.live.request_id).finish()
    }
}
