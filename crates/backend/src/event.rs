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
#[derive(Debug, Clone, PartialEq)]
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
    Token(Token),
    /// The generation is complete.
    Finish(Finish),
}

/// What one token added to the answer. All of it may be empty: while a character is incomplete, while the text could still
/// turn into a stop string, and while it is not decided whether a call begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Token {
    /// Text that became visible.
    pub text: String,
    /// Thoughts that became visible, of a model that thinks apart from its answer.
    pub reasoning: String,
    /// Parts of calls, in the order of the calls.
    pub calls: Vec<CallPart>,
    /// What the token was and how likely, where that was asked for.
    pub logprob: Option<TokenLogprob>,
}

impl Token {
    /// A token that made this text visible, and nothing else.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Whether there is nothing in it to be told.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.calls.is_empty() && self.logprob.is_none()
    }
}

/// More of a call. The first part of each call has its id and name; the arguments of all parts together are the call's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallPart {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// Its id, in its first part.
    pub id: Option<String>,
    /// The tool's name, in its first part.
    pub name: Option<String>,
    /// More of the arguments, JSON text.
    pub arguments: String,
}

/// How likely a token was.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token that was chosen.
    pub chosen: Candidate,
    /// The likeliest tokens, likeliest first, as many as were asked for. The chosen one may be among them.
    pub top: Vec<Candidate>,
}

/// A token that could follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its bytes: part of a character, maybe.
    pub bytes: Vec<u8>,
    /// Natural logarithm of the probability that the model gave it, before sampling changed anything; at most 0.
    pub logprob: f32,
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
    /// The model ended its answer, and waits for the result of its calls.
    ToolCalls,
}

/// Tokens that a generation took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Those of them that the engine remembered and did not compute again.
    pub cached_tokens: u32,
    /// Tokens generated: as many as there were [`Event::Token`]s.
    pub completion_tokens: u32,
    /// Tokens that the engine guessed for the answer and computed in one step with the token before them, see
    /// [`Tuning::draft_tokens`](crate::Tuning::draft_tokens). Every draft counts in full, however early it turned out to be
    /// wrong or the answer ended; drafts that were only computed to compare their numbers do not count.
    pub drafted_tokens: u32,
    /// Those of them that were chosen and so are among `completion_tokens`, the one that ended the answer included. A token
    /// that was guessed right and yet chosen without its draft, since the draft's numbers were not good enough, does not count.
    pub accepted_tokens: u32,
}
