//! What a generation reports while it runs.

use std::pin::Pin;

use futures_core::Stream;

use crate::GenerateError;

/// The events of one generation.
///
/// The order is: [`Event::Prompt`] at least once, [`Event::Token`] any number of times, then exactly
/// one [`Event::Finish`] or one `Err`, then the end. The stream borrows its lane, so the lane
/// cannot go anywhere while the stream lives.
///
/// # Cancel safety
/// Dropping the stream asks the engine to stop and does not wait for it. The engine may go on
/// for up to one step; [`Lane::quiesce`](crate::Lane::quiesce) waits for that step.
pub type EventStream<'lane> = Pin<Box<dyn Stream<Item = Result<Event, GenerateError>> + Send + 'lane>>;

/// One thing that happened in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A part of the prompt was processed. The last one has `processed == total`.
    Prompt {
        /// Prompt tokens processed so far, at least 0.
        processed: u32,
        /// Prompt tokens in all.
        total: u32,
    },
    /// One token was generated, the one that ended the text included.
    Token {
        /// The text that became visible with this token. It is empty while a character is
        /// incomplete, or while the text could still turn into a stop string.
        text: String,
    },
    /// The generation is complete.
    Finish(Finish),
}

/// How a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Why it ended.
    pub reason: FinishReason,
    /// What it cost.
    pub usage: Usage,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model ended its answer, or a stop string appeared.
    Stop,
    /// The bound on tokens, or the end of the context, was reached.
    Length,
}

/// Tokens that a generation took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated: as many as there were [`Event::Token`]s.
    pub completion_tokens: u32,
}
