//! The answer to one request: as many generations as it wants choices, read together.
//!
//! Every protocol reads its answer here: whole with [`collect`], or piece by piece through an [`Events`] that writes in
//! its own shape. So refusals, endings and what keeps a silent connection alive are the same in all of them.

mod said;
mod stream;
mod timed;
mod whole;

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use backend::Token;
use http::{HeaderMap, HeaderName, HeaderValue};
use serving::{Completed, Failure, Generation, Place, Progress, Refusal, Request, Service, Started};

pub(crate) use self::said::Said;
pub(crate) use self::stream::{Events, stream, whereabouts};
pub(crate) use self::timed::Timed;
pub(crate) use self::whole::{Choice, collect};
use crate::error::{ApiError, Fields};

/// The generations of one request, by the index of their choice. Dropping it is how a client leaves all of them.
pub(crate) struct Answer {
    parts: Vec<Part>,
    /// How a refusal names what to change.
    fields: Fields,
    /// Who is looked at first, so that one that always has something to tell does not keep the others waiting.
    turn: usize,
}

struct Part {
    generation: Generation,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Over,
}

/// What happens in a choice that has begun.
#[derive(Debug)]
pub(crate) enum Step {
    /// More of it; never empty.
    Token(Token),
    /// It is complete.
    Completed(Completed),
}

impl Answer {
    /// Submits the requests in their order, so that they stand in their queue one behind the other.
    ///
    /// # Errors
    /// Where one of them is refused at once, all of them are.
    pub(crate) fn submit(
        service: &Service,
        requests: impl Iterator<Item = Request>,
        fields: Fields,
    ) -> Result<Self, ApiError> {
        Self::of(requests.map(|request| service.submit(request)), fields)
    }

    /// The same of generations that are under way, or were refused.
    pub(crate) fn of(
        generations: impl Iterator<Item = Result<Generation, Refusal>>,
        fields: Fields,
    ) -> Result<Self, ApiError> {
        let part = |generation: Result<_, _>| Ok(Part { generation: generation?, state: State::Waiting });
        let parts: Result<_, Refusal> = generations.map(part).collect();
        Ok(Self { parts: parts.map_err(|refusal| ApiError::refused(refusal, fields))?, fields, turn: 0 })
    }

    /// How many choices it has.
    pub(crate) fn choices(&self) -> usize {
        self.parts.len()
    }

    /// Whether every choice has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.parts.iter().all(|part| part.state == State::Over)
    }

    /// Where the request is: the choice that is furthest.
    pub(crate) fn place(&self) -> Option<Place> {
        let under_way = self.parts.iter().filter(|part| part.state != State::Over);
        let first = under_way.clone().find(|part| part.state == State::Running).or_else(|| under_way.clone().next());
        first.map(|part| part.generation.place())
    }

    /// Waits until the first choice begins, or one is refused. To be called until it has answered, once.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn started(&mut self) -> Result<Started, ApiError> {
        poll_fn(|cx| {
            for part in &mut self.parts {
                if let Poll::Ready(started) = part.poll_started(cx, self.fields) {
                    return Poll::Ready(started);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for what happens next in any choice. `None` when all of them have ended. After an error the rest is of no
    /// use: an answer with a choice that broke off is no answer.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<(usize, Result<Step, ApiError>)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, Result<Step, ApiError>)>> {
        let n = self.parts.len();
        for index in (0..n).map(|offset| (self.turn + offset) % n) {
            if let Poll::Ready(Some(step)) = self.parts[index].poll_next(cx, self.fields) {
                self.turn = (index + 1) % n;
                return Poll::Ready(Some((index, step)));
            }
        }
        if self.is_over() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// The futures made here hold nothing between two polls, so they can be made anew for each.
impl Part {
    fn poll_started(&mut self, cx: &mut Context<'_>, fields: Fields) -> Poll<Result<Started, ApiError>> {
        let started = ready!(pin!(self.generation.started()).poll(cx));
        self.state = if started.is_ok() { State::Running } else { State::Over };
        Poll::Ready(started.map_err(|refusal| ApiError::refused(refusal, fields)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, fields: Fields) -> Poll<Option<Result<Step, ApiError>>> {
        if self.state == State::Waiting
            && let Err(error) = ready!(self.poll_started(cx, fields))
        {
            return Poll::Ready(Some(Err(error)));
        }
        if self.state == State::Over {
            return Poll::Ready(None);
        }
        let step = match ready!(pin!(self.generation.next()).poll(cx)) {
            Some(Progress::Token(token)) => return Poll::Ready(Some(Ok(Step::Token(token)))),
            Some(Progress::Completed(completed)) => Ok(Step::Completed(completed)),
            Some(Progress::Failed(failure)) => Err(ApiError::Failed(failure)),
            // Only the service's being torn down under its requests ends an answer without its last event.
            None => Err(ApiError::Failed(Failure::ShuttingDown)),
        };
        self.state = State::Over;
        Poll::Ready(Some(step))
    }
}

/// The same for an answer in one piece, which knows all of its times. Of several choices those of the first.
pub(crate) fn whole_headers(started: &Started, completed: &Completed) -> HeaderMap {
    headers_with(started, timed::over(completed))
}

/// What the headers of an answer say about its way here.
pub(crate) fn headers(started: &Started) -> HeaderMap {
    headers_with(started, timed::begun(started))
}

fn headers_with(started: &Started, server_timing: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let waited_ms = u64::try_from(started.waited.as_millis()).unwrap_or(u64::MAX);
    headers.insert(HeaderName::from_static("x-edison-ticket"), HeaderValue::from(started.ticket));
    headers.insert(HeaderName::from_static("x-edison-wait-ms"), HeaderValue::from(waited_ms));
    headers.insert(HeaderName::from_static(timed::HEADER), server_timing);
    // The configuration takes only names that can stand in a header; a service built otherwise goes without.
    if let Ok(model) = HeaderValue::from_str(&started.model) {
        headers.insert(HeaderName::from_static("x-edison-model"), model);
    }
    headers
}
