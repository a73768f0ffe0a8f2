//! `POST /chat` and `POST /chat/stream`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::ask;
use super::turn::{Event, Turn};
use crate::connection::Peer;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::state::App;

/// Events that may be on their way; the service bounds how long a client may leave them unread.
const EVENTS: usize = 8;

type Events = BoxStream<'static, Event>;

/// The answer in one piece.
pub(crate) async fn whole(
    state: State<Arc<App>>,
    id: Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Response {
    let mut events = match begin(state, id, peer, body).await {
        Ok((_, events)) => events,
        Err(error) => return error.into_detail(),
    };
    while let Some(event) = events.next().await {
        match event {
            Event::Done(answer) => return Json(answer).into_response(),
            Event::Cancelled => return ApiError::Cancelled.into_detail(),
            Event::Failed(error) => return error.into_detail(),
            Event::Begun | Event::Plan(_) | Event::Token(_) => {}
        }
    }
    broken_off().into_detail()
}

/// The answer piece by piece. What can be refused at once is an ordinary error; then the id is told before any model works.
pub(crate) async fn stream(
    state: State<Arc<App>>,
    id: Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Response {
    let (id, mut events) = match begin(state, id, peer, body).await {
        Ok(begun) => begun,
        Err(error) => return error.into_detail(),
    };
    let first = match events.next().await {
        Some(Event::Failed(error)) => return error.into_detail(),
        Some(first) => first,
        None => return broken_off().into_detail(),
    };
    let init = frame("init", &json!({"request_id": id.as_str()}));
    let frames = stream::iter([first]).chain(events).filter_map(async |event| written(event));
    let body = stream::iter([init]).chain(frames).map(Ok::<Bytes, Infallible>);
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

async fn begin(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Result<(RequestId, Events), ApiError> {
    let peer = peer.map(|Extension(peer)| peer).unwrap_or_default();
    if peer.is_crowded {
        return Err(ApiError::Crowded);
    }
    let messages_max = app.limits.messages_max;
    let ask = app.bodies.read(body, &app.limits, move |body| ask(body, messages_max)).await?;
    let turn = Turn { app, id: id.as_str().to_owned(), client: peer.client, ask };
    Ok((id, events(turn)))
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
        Event::Plan(steps) => frame("work_plan", &json!({"total_steps": steps.len(), "steps": steps})),
        Event::Token(text) => frame("token", &json!({"t": text})),
        Event::Done(mut answer) => {
            answer["ok"] = json!(true);
            frame("done", &answer)
        }
        Event::Cancelled => frame("done", &json!({"ok": false, "stopped": true})),
        Event::Failed(error) => frame("done", &json!({"ok": false, "error": error.object().error.message})),
    })
}

/// The name before the data, each on a line: clients look for just that.
fn frame(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
