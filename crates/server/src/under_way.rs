//! The requests of one connection, from their headers to the last piece of their answers.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::Instant;

/// Counts the requests of one connection. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<watch::Sender<State>>);

#[derive(Default)]
struct State {
    n_under_way: usize,
    /// The number of the latest request; they count from 1.
    last: u64,
    /// Answers of which the client has yet to take a piece, and since when.
    untaken: BTreeMap<u64, Instant>,
}

impl Requests {
    /// A request has come.
    pub(crate) fn begin(&self) -> UnderWay {
        let mut number = 0;
        self.0.send_modify(|state| {
            state.n_under_way += 1;
            state.last += 1;
            number = state.last;
        });
        UnderWay { requests: self.clone(), number }
    }

    /// Resolves when a request is under way.
    pub(crate) async fn some(&self) {
        self.until(|state| state.n_under_way > 0).await;
    }

    /// Resolves when no request is under way.
    pub(crate) async fn none(&self) {
        self.until(|state| state.n_under_way == 0).await;
    }

    /// Resolves when there was a request, and none is under way.
    pub(crate) async fn answered(&self) {
        self.until(|state| state.last > 0 && state.n_under_way == 0).await;
    }

    /// Resolves when no request was under way for as long as `limit`. It also covers what the HTTP implementation does
    /// not: a client that does not say which version it speaks, and HTTP/2 without requests.
    pub(crate) async fn none_for(&self, limit: Duration) {
        loop {
            self.none().await;
            if tokio::time::timeout(limit, self.some()).await.is_err() {
                return;
            }
        }
    }

    /// Resolves when the client has not taken a piece of an HTTP/2 answer for as long as `limit`.
    pub(crate) async fn untaken_for(&self, limit: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let oldest = changes.borrow_and_update().untaken.values().min().copied();
            match oldest.map(|since| since + limit) {
                Some(deadline) if deadline <= Instant::now() => return,
                // Later pieces have later deadlines, so that nothing that happens meanwhile is due earlier.
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => _ = changes.changed().await,
            }
        }
    }

    async fn until(&self, holds: impl FnMut(&State) -> bool) {
        // The sender is ours, so that the wait cannot fail.
        let mut changes = self.0.subscribe();
        let _state = changes.wait_for(holds).await;
    }
}

/// A request that has come and whose answer is not written yet.
pub(crate) struct UnderWay {
    requests: Requests,
    number: u64,
}

impl UnderWay {
    /// A piece of the answer is there for the client.
    fn given(&self) {
        self.requests.0.send_if_modified(|state| {
            // Whoever waits for a deadline needs to know of the first one only.
            let is_first = state.untaken.is_empty();
            state.untaken.insert(self.number, Instant::now());
            is_first
        });
    }

    /// The client has taken every piece that there was.
    fn taken(&self) {
        self.requests.0.send_if_modified(|state| {
            state.untaken.remove(&self.number);
            false
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.requests.0.send_modify(|state| {
            state.n_under_way -= 1;
            state.untaken.remove(&self.number);
        });
    }
}

/// The body of an answer. The request is under way until it is dropped.
pub(crate) struct Counted {
    body: Body,
    under_way: UnderWay,
    /// Whether to watch that the client takes it. In HTTP/2 a client can take nothing without stopping a single write:
    /// it says how much may be written. In HTTP/1.1 a write stands still, and has its own bound.
    is_watched: bool,
}

impl Counted {
    pub(crate) fn new(body: Body, under_way: UnderWay, is_watched: bool) -> Self {
        if is_watched {
            under_way.given();
        }
        Self { body, under_way, is_watched }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    /// Asked for the next piece once the one before was taken.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(_)) if self.is_watched => self.under_way.given(),
            // It is we who are waited for.
            Poll::Pending if self.is_watched => self.under_way.taken(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
