//! What can be chosen about a run.

use std::time::Duration;

/// How hard, how long, and against what. Every default is in the doc of its field.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model to ask; by default the first that the server lists.
    pub model: Option<String>,
    /// Clients at one time, at least 2. Default 8.
    pub clients: usize,
    /// How often each experiment is repeated, at least 1. Default 3.
    pub rounds: usize,
    /// Requests at one time when the bound is looked for. Default 256.
    pub flood: usize,
    /// The bound that the server claims for its queue. Default: it is not known.
    pub queue_max: Option<usize>,
    /// A queue in which the last would wait for longer is not bounded. Default 60 s, after which a proxy gives up.
    pub patience: Duration,
    /// How long any single answer may take. Default 120 s.
    pub answer_timeout: Duration,
    /// Names of the checks to run; by default all.
    pub only: Vec<String>,
    /// Where the markers come from. Default 1.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: None,
            clients: 8,
            rounds: 3,
            flood: 256,
            queue_max: None,
            patience: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            only: Vec::new(),
            seed: 1,
        }
    }
}
