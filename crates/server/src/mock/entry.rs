//! Looks on while a request's body is read and its answer is written.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde_json::Value;

use super::tamper::Tamper;
use super::world::World;

/// Bytes of a body that the journal keeps.
const BODY_MAX: usize = 64 * 1024;

/// A request that is under way. When it is dropped, the client has left or the answer is complete.
pub(super) struct Entry {
    world: Arc<World>,
    number: u64,
    request_id: String,
    body: Arc<Mutex<Vec<u8>>>,
    is_complete: bool,
}

impl Entry {
    pub(super) fn new(world: Arc<World>, number: u64, request_id: String) -> Self {
        Self { world, number, request_id, body: Arc::default(), is_complete: false }
    }

    /// The body of the request, which is kept as it is read.
    pub(super) fn reading(&self, inner: Body) -> Body {
        Body::new(Read { inner, kept: Arc::clone(&self.body) })
    }

    /// The answer has this status; `body` is what was asked.
    pub(super) fn answering(&self, status: u16, body: Value, faults: Vec<&'static str>) {
        self.world.log.tell(self.number, |request| {
            (request.status, request.body, request.faults) = (Some(status), body, faults);
        });
    }

    /// The body of the answer.
    pub(super) fn writing(mut self, inner: Body, tamper: Tamper) -> Body {
        self.is_complete = inner.is_end_stream();
        Body::new(Written { inner: Some(inner), tamper, entry: self })
    }

    /// What was asked, as far as it was read by now. Taken once.
    pub(super) fn taken_body(&self) -> Value {
        let bytes = std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
        if bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.world.log.noted(self.number, self.world.stage.notes(&self.request_id));
        self.world.stage.dismiss(&self.request_id);
        let (body, is_complete) = (self.taken_body(), self.is_complete);
        self.world.log.tell(self.number, |request| {
            if request.body.is_null() {
                request.body = body;
            }
            request.answered = Some(is_complete);
        });
    }
}

/// Keeps what is read, up to a bound.
struct Read {
    inner: Body,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl HttpBody for Read {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = BODY_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Notices the end of an answer, and does to it what the script says.
struct Written {
    /// `None` once nothing more is taken from it: then the engine has been asked to stop.
    inner: Option<Body>,
    tamper: Tamper,
    entry: Entry,
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { inner, tamper, entry } = &mut *self;
        if tamper.is_spent() {
            *inner = None;
            return match ready!(tamper.poll_end(cx)) {
                Some(error) => Poll::Ready(Some(Err(axum::Error::new(error)))),
                None => {
                    entry.is_complete = true;
                    Poll::Ready(None)
                }
            };
        }
        let Some(body) = inner else { return Poll::Ready(None) };
        match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let passed = tamper.pass(data);
                    // Whoever knows the length of a body does not ask for more after its last byte.
                    entry.is_complete = !tamper.is_spent() && inner.as_ref().is_some_and(HttpBody::is_end_stream);
                    Poll::Ready(Some(Ok(Frame::data(passed))))
                }
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                entry.is_complete = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // The end is seen in `poll_frame` only, where it is noted.
        false
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) if self.tamper.is_harmless() => inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}
