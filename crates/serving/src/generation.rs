//! The client's end of a request.

use std::time::Duration;

use backend::{Embedding, Finish, Token};
use tokio::sync::{mpsc, oneshot};

use crate::place::Lookout;
use crate::{Place, Refusal, Timings};

/// A request on its way. Dropping it is how a client leaves: the place in the queue, or the lane, is
/// free within one engine step.
#[derive(Debug)]
pub struct Generation {
    pub(crate) start: oneshot::Receiver<Result<Started, Refusal>>,
    /// Bounded: a client that reads slowly holds the engine back instead of filling memory.
    pub(crate) tokens: mpsc::Receiver<Token>,
    /// Apart from the tokens, so that a full buffer cannot keep the ending from being told. `None` once told.
    pub(crate) end: Option<oneshot::Receiver<Result<Completed, Failure>>>,
    pub(crate) lookout: Lookout,
}

/// The request's end of the same.
pub(crate) struct Reply {
    pub(crate) start: Option<oneshot::Sender<Result<Started, Refusal>>>,
    pub(crate) tokens: mpsc::Sender<Token>,
    pub(crate) end: End,
}

/// Where the ending of a request is told.
pub(crate) enum End {
    Generation(oneshot::Sender<Result<Completed, Failure>>),
    Embeddings(oneshot::Sender<Result<Vec<Embedding>, Failure>>),
}

/// Both ends of a reply that keeps at most `buffer` tokens.
pub(crate) fn channel(buffer: usize, lookout: Lookout) -> (Reply, Generation) {
    let (start_tx, start) = oneshot::channel();
    let (token_tx, tokens) = mpsc::channel(buffer);
    let (end_tx, end) = oneshot::channel();
    let reply = Reply { start: Some(start_tx), tokens: token_tx, end: End::Generation(end_tx) };
    (reply, Generation { start, tokens, end: Some(end), lookout })
}

/// The first token is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The model that answers. With a tier this may be a fallback.
    pub model: String,
    /// Number of the lease.
    pub ticket: u64,
    /// How long the request waited for its lane.
    pub waited: Duration,
    /// How much of that was the model's being loaded.
    pub loading: Duration,
    /// From the lane to the first token.
    pub prefill: Duration,
    /// Tokens of the prompt, or of all inputs.
    pub prompt_tokens: u32,
}

/// What happens after the start.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// More of the answer; never [empty](Token::is_empty).
    Token(Token),
    /// The answer is complete. Nothing follows.
    Completed(Completed),
    /// The answer ends here without being complete. Nothing follows.
    Failed(Failure),
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Why it ended and what it cost.
    pub finish: Finish,
    /// Where the time went.
    pub timings: Timings,
}

/// An answer that broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The engine failed.
    #[error("the engine failed: {reason}")]
    Backend {
        /// What the engine reported. For the log; it may name files.
        reason: String,
    },
    /// The service went down before the answer was complete.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The client did not read for too long.
    #[error("the answer was not read for {0:?}")]
    Stalled(Duration),
}

impl Generation {
    /// Where the request is now. Waits for nobody, and takes time in proportion to the number of waiters.
    pub fn place(&self) -> Place {
        self.lookout.place()
    }

    /// Waits for the first token, or for the reason why there is none. To be called until it has answered, once, and
    /// before [`next`](Self::next).
    ///
    /// # Cancel safety
    /// May be dropped and called again. The request goes on as long as the `Generation` lives.
    ///
    /// # Errors
    /// See [`Refusal`]. Nothing of an answer exists then.
    pub async fn started(&mut self) -> Result<Started, Refusal> {
        match (&mut self.start).await {
            Ok(start) => start,
            // The task answers on every path; only its being torn down with the runtime lands here.
            Err(_) => Err(Refusal::ShuttingDown),
        }
    }

    /// Waits for the next piece. `None` after the last one.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Progress> {
        if let Some(token) = self.tokens.recv().await {
            return Some(Progress::Token(token));
        }
        let end = self.end.as_mut()?.await;
        self.end = None;
        Some(match end {
            Ok(Ok(completed)) => Progress::Completed(completed),
            Ok(Err(failure)) => Progress::Failed(failure),
            // As above: torn down with the runtime.
            Err(_) => Progress::Failed(Failure::ShuttingDown),
        })
    }
}
