//! `POST /chat` and `POST /chat/stream`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::ask;
use super::turn::{Event, Turn};
use crate::error::ApiError;
use crate::routes::chat::Caller;
use crate::sse::comment;
use crate::state::App;
use crate::validate::Pictures;

/// Events that may be on their way; the service bounds how long a client may leave them unread.
const EVENTS: usize = 8;

type Events = BoxStream<'static, Event>;

/// The answer in one piece.
pub(crate) async fn whole(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut events = match begin(app, request, false).await {
        Ok((_, events)) => events,
        Err(error) => return error.into_detail(),
    };
    while let Some(event) = events.next().await {
        match event {
            Event::Done(done) => return (done.headers, Json(done.answer)).into_response(),
            Event::Cancelled => return ApiError::Cancelled.into_detail(),
            Event::Failed(error) => return error.into_detail(),
            Event::Begun | Event::Waiting(_) | Event::Plan(_) | Event::Token(_) => {}
        }
    }
    broken_off().into_detail()
}

/// The answer piece by piece. What can be refused at once is an ordinary error; then the id is told before any model works.
pub(crate) async fn stream(State(app): State<Arc<App>>, request: Request) -> Response {
    let (id, mut events) = match begin(app, request, true).await {
        Ok(begun) => begun,
        Err(error) => return error.into_detail(),
    };
    let first = match events.next().await {
        Some(Event::Failed(error)) => return error.into_detail(),
        Some(first) => first,
        None => return broken_off().into_detail(),
    };
    let init = frame("init", &json!({"request_id": id}));
    let frames = stream::iter([first]).chain(events).filter_map(async |event| written(event));
    let body = stream::iter([init]).chain(frames).map(Ok::<Bytes, Infallible>);
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// The turn's id, and its events.
async fn begin(app: Arc<App>, request: Request, is_streamed: bool) -> Result<(String, Events), ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let messages_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| ask(body, messages_max, pictures);
    let ask = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    // An answer in one piece has no place for a sign of life.
    let keep_alive = caller.keep_alive(&app.limits).filter(|_| is_streamed);
    let id = caller.id().to_owned();
    Ok((id, events(Turn { app, caller, keep_alive, ask })))
}

/// The events of a turn that goes on while they are asked for: whoever drops them has left.
fn events(turn: Turn) -> Events {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let run = stream::once(turn.run(sender)).filter_map(async |()| None);
    let told = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    stream::select(told, run).boxed()
}

fn broken_off() -> ApiError {
    ApiError::Failed(serving::Failure::ShuttingDown)
}

fn written(event: Event) -> Option<Bytes> {
    Some(match event {
        Event::Begun => return None,
        Event::Waiting(place) => comment(&place).into(),
        Event::Plan(steps) => frame("work_plan", &json!({"total_steps": steps.len(), "steps": steps})),
        Event::Token(text) => frame("token", &json!({"t": text})),
        Event::Done(mut done) => {
            done.answer["ok"] = json!(true);
            frame("done", &done.answer)
        }
        Event::Cancelled => frame("done", &json!({"ok": false, "stopped": true})),
        Event::Failed(error) => frame("done", &json!({"ok": false, "error": error.object().error.message})),
    })
}

/// The name before the data, each on a line: clients look for just that.
fn frame(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
