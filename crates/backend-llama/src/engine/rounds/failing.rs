//! What becomes of a lane, and of those beside it, when a step fails.

use std::any::Any;

use backend::{FinishReason, GenerateError};

use super::Engine;
use crate::answering::Trouble;
use crate::engine::schedule::Share;
use crate::engine::task::Task;

impl Engine<'_> {
    /// Ends the task of a lane that could not go on. `false` where the context was given up for it.
    pub(super) fn settle(&mut self, lane: usize, outcome: std::thread::Result<Result<(), Trouble>>) -> bool {
        let reason = match outcome {
            Ok(Ok(())) => return true,
            Ok(Err(Trouble::Request(reason))) => {
                if let Some(task) = &mut self.slots[lane].task {
                    task.fail(GenerateError::Failed { reason });
                }
                return true;
            }
            Ok(Err(Trouble::Engine(reason))) => reason,
            Err(panic) => panic_text(&*panic),
        };
        self.fail(lane, reason);
        false
    }

    /// Finds out which lane a failed step is to be blamed on. Without a reason, the cache is full.
    pub(super) fn blame(&mut self, shares: &[Share], reason: Option<String>) {
        let [share] = shares else {
            self.suspects = shares.iter().map(|share| share.lane).collect();
            if let Some(reason) = reason {
                tracing::error!(reason, lanes = shares.len(), "a step failed; its lanes are computed one by one");
                self.give_up_context();
            }
            return;
        };
        let slot = &mut self.slots[share.lane];
        // Without its draft the next token may have room.
        if reason.is_none() && slot.task.as_mut().is_some_and(Task::gives_up_draft) {
            return;
        }
        match (reason, &mut slot.task) {
            (Some(reason), _) => self.fail(share.lane, reason),
            // The limit keeps the cache from getting full, so only an architecture that needs more room ends here.
            (None, Some(task)) if task.is_answer(slot.cache.len()) => task.finish(FinishReason::Length),
            (None, _) => self.fail(share.lane, "the cache has no room for the prompt".to_string()),
        }
    }

    /// Ends the task of a lane whose context can no longer be trusted.
    pub(super) fn fail(&mut self, lane: usize, reason: String) {
        tracing::error!(lane, reason, "the engine failed; its context is given up");
        let error = self.break_lane(lane, reason);
        if let Some(task) = &mut self.slots[lane].task {
            task.fail(error);
        }
    }

    pub(super) fn break_lane(&mut self, lane: usize, reason: String) -> GenerateError {
        self.slots[lane].broken.set(true);
        self.give_up_context();
        GenerateError::LaneBroken { reason }
    }

    /// What the context holds is unknown, so nobody gets to use it by mistake.
    pub(super) fn give_up_context(&mut self) {
        self.session.close();
        for slot in &mut self.slots {
            slot.cache.cut(0);
        }
    }
}

pub(in crate::engine) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine panicked: {}", text.unwrap_or("no message"))
}
