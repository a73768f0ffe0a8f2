//! What can go wrong on schedule.

use std::time::Duration;

/// What goes wrong in one call. Token counts that the answer does not reach leave the call in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request fails before anything of its prompt was processed. The lane is as good as before.
    FailBeforeFirstToken,
    /// The request fails after this many tokens. The lane is as good as before.
    FailAfter {
        /// Tokens generated before.
        tokens: u32,
    },
    /// The poll that asks for the next token after this many panics. The lane needs a reset.
    PanicAfter {
        /// Tokens generated before.
        tokens: u32,
    },
    /// The answer ends after this many tokens, as if a bound had been reached.
    StopAfter {
        /// Tokens generated before.
        tokens: u32,
    },
    /// The whole prompt takes this long, whatever the script says.
    SlowPrefill {
        /// In all.
        time: Duration,
    },
    /// Nothing comes after this many tokens, until the stream is dropped.
    HangAfter {
        /// Tokens generated before.
        tokens: u32,
    },
    /// The engine generates this many more tokens after it was asked to stop, in the time they take. Only then does
    /// the script's `stop_delay` begin.
    IgnoreCancelFor {
        /// Tokens generated after.
        tokens: u32,
    },
    /// The request fails after this many tokens and breaks its lane.
    BreakLaneAfter {
        /// Tokens generated before.
        tokens: u32,
        /// What a reset does about it.
        rebuild: Rebuild,
    },
}

/// Whether a broken lane can be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// The reset after this many failed ones works; 0 is the first.
    AfterFailures(u32),
    /// No reset ever works.
    Never,
}

/// What happens to an answer on its way to the client. The engine only hands it on: whoever writes the answer does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wire {
    /// This status comes instead of an answer.
    Status {
        /// 400 to 599.
        status: u16,
        /// When to try again, as it says.
        retry_after: Option<Duration>,
    },
    /// The connection is cut after so many events.
    Disconnect {
        /// Events that have something of the answer.
        events: u32,
    },
    /// What comes after so many events cannot be read.
    Malformed {
        /// Events that have something of the answer.
        events: u32,
    },
}
