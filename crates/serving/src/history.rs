//! The latest holds of one model.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::Outcome;

/// The latest outcomes that held a lane, bounded.
pub(crate) struct History {
    /// Oldest first, at most `max`.
    holds: Mutex<VecDeque<Outcome>>,
    max: usize,
}

impl History {
    pub(crate) fn new(max: usize) -> Self {
        Self { holds: Mutex::default(), max }
    }

    pub(crate) fn push(&self, outcome: Outcome) {
        let mut holds = self.holds.lock().expect("no code panics while it holds this mutex");
        holds.push_back(outcome);
        while holds.len() > self.max {
            holds.pop_front();
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<Outcome> {
        self.holds.lock().expect("no code panics while it holds this mutex").iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::History;
    use crate::{Class, Ended, Outcome, Phase};

    fn held(ms: u64) -> Outcome {
        Outcome {
            tag: ms,
            request_id: format!("held-{ms}"),
            client: None,
            model: "m".into(),
            class: Class::Normal,
            ticket: Some(1),
            lane: Some(0),
            arrived: Duration::ZERO,
            granted: Some(Duration::ZERO),
            first_token: None,
            released: Some(Duration::from_millis(ms)),
            ended_at: Duration::from_millis(ms),
            prompt_tokens: 0,
            tokens: 0,
            cached_tokens: 0,
            drafted_tokens: 0,
            accepted_tokens: 0,
            adapter: None,
            phase: Phase::Decode,
            ended: Ended::Cancelled,
        }
    }

    #[test]
    fn the_oldest_outcome_goes_when_the_bound_is_reached() {
        let history = History::new(2);
        for ms in [1, 2, 3] {
            history.push(held(ms));
        }
        let ids: Vec<_> = history.to_vec().into_iter().map(|o| o.request_id).collect();
        assert_eq!(ids, ["held-2", "held-3"]);
    }

    #[test]
    fn a_history_of_no_length_keeps_nothing() {
        let history = History::new(0);
        history.push(held(100));
        assert!(history.to_vec().is_empty());
    }
}
