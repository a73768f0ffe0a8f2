//! What happened in the engines, and when.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backend::FinishReason;
use tokio::time::Instant;

/// What happened in the engines of one [`MockBackend`](crate::MockBackend), in order.
#[derive(Debug)]
pub struct Journal {
    start: Instant,
    entries_max: usize,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Entry>,
    /// Entries that had to make room.
    n_forgotten: u64,
    /// Overlaps, the forgotten ones included.
    n_overlaps: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, since the backend was made, by tokio's clock.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// A call that enters an engine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// The model's name.
    pub model: Arc<str>,
    /// The lane it came through, from 0.
    pub lane: u32,
    /// The number of the generation, from 1 and by model; 0 is a reset.
    pub call: u64,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} on lane {}", self.model, self.call, self.lane)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A load began. Without a later entry about it, it was abandoned.
    LoadStarted {
        /// The model's name.
        model: Arc<str>,
    },
    /// The load failed, as scripted.
    LoadFailed {
        /// The model's name.
        model: Arc<str>,
    },
    /// The load is complete.
    Loaded {
        /// The model's name.
        model: Arc<str>,
        /// Lanes handed out.
        lanes: u32,
    },
    /// The last lane is gone and every engine of the instance has stopped.
    Unloaded {
        /// The model's name.
        model: Arc<str>,
    },
    /// A generation entered an engine.
    Enter {
        /// Which.
        visit: Visit,
        /// What the user said last.
        asked: String,
    },
    /// A rule answers a generation.
    Chosen {
        /// Which.
        visit: Visit,
        /// The request's id, where it has one.
        request: Option<Arc<str>>,
        /// The rule's name, or its number.
        rule: String,
    },
    /// The first token was generated.
    FirstToken {
        /// By which generation.
        visit: Visit,
    },
    /// The engine has stopped working for a generation.
    Leave {
        /// Which.
        visit: Visit,
        /// Tokens generated.
        tokens: u32,
        /// How it came to that.
        how: Leave,
    },
    /// An engine was entered while it worked: the lock in front of it failed, or nobody waited for `quiesce`.
    Overlap {
        /// Who entered.
        visit: Visit,
        /// Who was inside.
        inside: Visit,
    },
    /// A lane was reset.
    Reset {
        /// Where; the call is 0.
        visit: Visit,
        /// Whether it worked.
        rebuilt: bool,
    },
}

/// How a generation came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// With its finish.
    Finished(FinishReason),
    /// Because its stream was dropped.
    Cancelled,
    /// By an error that left the engine sound.
    Failed,
    /// By an error that broke the engine, or because it was broken before.
    Broken,
    /// By a panic.
    Panicked,
}

/// The time that a generation spent in an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub visit: Visit,
    /// When it entered.
    pub from: Duration,
    /// When it left, and how. `None` while it is inside.
    pub until: Option<(Duration, Leave)>,
}

impl Journal {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { start: Instant::now(), entries_max, log: Mutex::default() }
    }

    pub(crate) fn record(&self, what: What) {
        let mut log = self.lock();
        // Read the clock inside: two threads that read it before could enter their entries in the other order.
        let at = self.start.elapsed();
        log.n_overlaps += u64::from(matches!(what, What::Overlap { .. }));
        log.entries.push_back(Entry { at, what });
        if log.entries.len() > self.entries_max {
            log.entries.pop_front();
            log.n_forgotten += 1;
        }
    }

    /// Everything that is remembered, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().cloned().collect()
    }

    /// What is remembered of what came after the first `seen` entries, for whoever follows along.
    pub fn since(&self, seen: u64) -> Vec<Entry> {
        let log = self.lock();
        let skipped = usize::try_from(seen.saturating_sub(log.n_forgotten)).unwrap_or(usize::MAX);
        log.entries.iter().skip(skipped).cloned().collect()
    }

    /// How many entries were forgotten, because there were more than
    /// [`journal_max`](crate::MockConfig::journal_max).
    pub fn n_forgotten(&self) -> u64 {
        self.lock().n_forgotten
    }

    /// How often an engine was entered while it worked, whether or not the entries are remembered.
    pub fn n_overlaps(&self) -> u64 {
        self.lock().n_overlaps
    }

    /// Every second entry that is remembered; empty if the locks above are right.
    pub fn overlaps(&self) -> Vec<Entry> {
        let is_overlap = |entry: &&Entry| matches!(entry.what, What::Overlap { .. });
        self.lock().entries.iter().filter(is_overlap).cloned().collect()
    }

    /// When the engines of a model were held and by which call, in the order of entering.
    pub fn holds(&self, model: &str) -> Vec<Hold> {
        let mut holds: Vec<Hold> = Vec::new();
        for entry in &self.lock().entries {
            match &entry.what {
                What::Enter { visit, .. } if *visit.model == *model => {
                    holds.push(Hold { visit: visit.clone(), from: entry.at, until: None });
                }
                What::Leave { visit, how, .. } => {
                    // Calls are numbered by model, so this finds nobody of another one.
                    if let Some(hold) = holds.iter_mut().rev().find(|hold| hold.visit == *visit) {
                        hold.until = Some((entry.at, *how));
                    }
                }
                _ => {}
            }
        }
        holds
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Nothing inside panics halfway through a change, so a poisoned journal is still right.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
