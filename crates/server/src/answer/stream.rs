//! The answer piece by piece, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use backend::Token;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use serving::{Completed, Place, Started};
use tokio::time::timeout;

use super::{Answer, Step};
use crate::error::ApiError;
use crate::sse::comment;

/// Bytes of events up to which more are written into the same piece, if they are there already. A client that does not read
/// is noticed by this much later.
const TOGETHER_MAX_BYTES: usize = 8 * 1024;

/// Writes the events of one protocol, each as complete frames.
pub(crate) trait Events: Send + 'static {
    /// Somebody answers. Called once, first; only [`error`](Self::error) may come without it.
    fn begin(&mut self, out: &mut Vec<u8>, started: &Started);

    /// A choice goes on.
    fn token(&mut self, out: &mut Vec<u8>, choice: usize, token: &Token);

    /// A choice is complete.
    fn completed(&mut self, out: &mut Vec<u8>, choice: usize, completed: &Completed);

    /// Every choice is complete: the last events.
    fn end(&mut self, out: &mut Vec<u8>);

    /// The answer breaks off here. The status is sent, so this is the last event, and no client may take what came
    /// before it for a complete answer.
    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError);
}

/// Streams an answer. Dropping the future, or the body, drops the answer, and so the client has left.
///
/// The first token is awaited, so that a refusal has its status. With `keep_alive`, that long at most: then the answer
/// begins without it, and whenever nothing was written for as long, a comment tells where the request is.
///
/// # Errors
/// What was refused before the answer began. Later it is an event.
pub(crate) async fn stream(
    mut answer: Answer,
    mut events: impl Events,
    keep_alive: Option<Duration>,
) -> Result<Response, ApiError> {
    let mut first = Vec::new();
    let (state, headers) = match within(keep_alive, answer.started()).await {
        Some(started) => {
            let started = started?;
            events.begin(&mut first, &started);
            (State::Running, super::headers(&started))
        }
        None => {
            first.extend(comment(&whereabouts(answer.place())).bytes());
            (State::Waiting, HeaderMap::new())
        }
    };
    let writer = Writer { answer, events, keep_alive, state };
    let rest = stream::unfold(writer, async |mut writer| Some((writer.next().await?, writer)));
    let body = stream::iter([Bytes::from(first)]).chain(rest).map(Ok::<_, Infallible>);
    let of_events = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        // Proxies that collect an answer before they pass it on take the word from this header.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, of_events, Body::from_stream(body)).into_response())
}

struct Writer<E> {
    answer: Answer,
    events: E,
    keep_alive: Option<Duration>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Waiting,
    Running,
    Over,
}

impl<E: Events> Writer<E> {
    /// The next bytes, never none of them; `None` after the last ones.
    async fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        // Some steps have no event in some protocols.
        while out.is_empty() {
            match self.state {
                State::Over => return None,
                State::Waiting => self.wait(&mut out).await,
                State::Running => self.run(&mut out).await,
            }
        }
        // What is there already goes along: nobody waits for it, and a piece of its own would cost more than itself.
        while matches!(self.state, State::Running) && out.len() < TOGETHER_MAX_BYTES {
            let Some(step) = self.answer.next().now_or_never() else { break };
            self.write(&mut out, step);
        }
        Some(out.into())
    }

    async fn wait(&mut self, out: &mut Vec<u8>) {
        match within(self.keep_alive, self.answer.started()).await {
            None => out.extend(comment(&whereabouts(self.answer.place())).bytes()),
            Some(Ok(started)) => {
                self.events.begin(out, &started);
                self.state = State::Running;
            }
            Some(Err(error)) => self.fail(out, &error),
        }
    }

    async fn run(&mut self, out: &mut Vec<u8>) {
        match within(self.keep_alive, self.answer.next()).await {
            None => out.extend(comment(&whereabouts(self.answer.place())).bytes()),
            Some(step) => self.write(out, step),
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, step: Option<(usize, Result<Step, ApiError>)>) {
        match step {
            Some((choice, Ok(Step::Token(token)))) => self.events.token(out, choice, &token),
            Some((choice, Ok(Step::Completed(completed)))) => {
                self.events.completed(out, choice, &completed);
                // At once: what belongs together arrives together.
                if self.answer.is_over() {
                    self.events.end(out);
                    self.state = State::Over;
                }
            }
            Some((_, Err(error))) => self.fail(out, &error),
            None => self.state = State::Over,
        }
    }

    fn fail(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        tracing::info!(reason = error.message(), "the answer broke off");
        self.events.error(out, error);
        self.state = State::Over;
    }
}

/// `None` when the time is over.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(future.await),
        Some(limit) => timeout(limit, future).await.ok(),
    }
}

/// What a comment says: where the request is.
pub(crate) fn whereabouts(place: Option<Place>) -> String {
    match place {
        Some(Place::Loading { progress }) => format!("loading progress={progress:.2}"),
        Some(Place::Queued { position, expected_wait: Some(wait) }) => {
            format!("queue position={position} eta_ms={}", wait.as_millis())
        }
        Some(Place::Queued { position, expected_wait: None }) => format!("queue position={position}"),
        Some(Place::Served(phase)) => phase.as_str().to_owned(),
        None => "ending".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serving::{Phase, Place};

    use super::whereabouts;

    #[test]
    fn a_comment_says_where_the_request_is() {
        let rows = [
            (Place::Loading { progress: 0.5 }, "loading progress=0.50"),
            (
                Place::Queued { position: 3, expected_wait: Some(Duration::from_millis(4200)) },
                "queue position=3 eta_ms=4200",
            ),
            (Place::Queued { position: 1, expected_wait: None }, "queue position=1"),
            (Place::Served(Phase::Prefill), "prefill"),
        ];
        for (place, text) in rows {
            assert_eq!(whereabouts(Some(place)), text);
        }
    }
}
