//! The client's end of a request for embeddings.

use backend::{Embedding, Token};
use tokio::sync::{mpsc, oneshot};

use crate::generation::{End, Reply};
use crate::place::Lookout;
use crate::{Failure, Place, Refusal, Started};

/// Embeddings on their way. Dropping it is how a client leaves, as with a [`Generation`](crate::Generation).
#[derive(Debug)]
pub struct Embeddings {
    start: oneshot::Receiver<Result<Started, Refusal>>,
    end: oneshot::Receiver<Result<Vec<Embedding>, Failure>>,
    /// Nothing comes through it. That it is gone tells the request that its client has left.
    _tokens: mpsc::Receiver<Token>,
    lookout: Lookout,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Who computed it, and how long the request waited for that.
    pub started: Started,
    /// One for each input, in their order.
    pub embeddings: Vec<Embedding>,
}

/// Both ends.
pub(crate) fn channel(lookout: Lookout) -> (Reply, Embeddings) {
    let (start_tx, start) = oneshot::channel();
    let (end_tx, end) = oneshot::channel();
    let (tokens, tokens_rx) = mpsc::channel(1);
    let reply = Reply { start: Some(start_tx), tokens, end: End::Embeddings(end_tx) };
    (reply, Embeddings { start, end, _tokens: tokens_rx, lookout })
}

impl Embeddings {
    /// Where the request is now. See [`Generation::place`](crate::Generation::place).
    pub fn place(&self) -> Place {
        self.lookout.place()
    }

    /// Waits for all of them.
    ///
    /// # Cancel safety
    /// Dropping the future is how a client leaves.
    ///
    /// # Errors
    /// See [`Refusal`]. There are all embeddings or none.
    pub async fn embedded(self) -> Result<Embedded, Refusal> {
        // The task answers on every path; only its being torn down with the runtime ends either channel in silence.
        let started = self.start.await.unwrap_or(Err(Refusal::ShuttingDown))?;
        match self.end.await {
            Ok(Ok(embeddings)) => Ok(Embedded { started, embeddings }),
            Ok(Err(_)) | Err(_) => Err(Refusal::ShuttingDown),
        }
    }
}
