//! `POST /v1/chat/completions`.

mod ask;
mod body;
mod stream;
mod whole;

pub(crate) use ask::hash;
pub(crate) use body::Bodies;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use serving::Started;

use crate::connection::Peer;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::state::App;

/// What an answer says about itself.
struct Identity {
    /// The answer's id in the protocol.
    id: String,
    created: u64,
    /// The model that really answers.
    model: String,
}

/// Answers a chat. Whatever can be refused is refused before the first byte of a 200: the first token is awaited.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let peer = peer.map(|Extension(peer)| peer).unwrap_or_default();
    if peer.is_crowded {
        return Err(ApiError::Crowded);
    }
    let hints = ask::hints(&headers)?;
    let chat = app.bodies.chat(body, &app.limits).await?;
    let streaming = chat.stream;
    let mut generation = app.service.submit(ask::request(chat, hints, &request_id, peer.client))?;
    let started = generation.started().await?;

    let headers = headers_of(&started);
    let id = format!("chatcmpl-{}", request_id.as_str());
    let identity = Identity { id, created: app.clock.unix_seconds(), model: started.model };
    let response = match streaming {
        Some(streaming) => stream::respond(identity, generation, streaming),
        None => whole::respond(identity, generation).await?,
    };
    Ok((headers, response).into_response())
}

fn headers_of(started: &Started) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let waited_ms = u64::try_from(started.waited.as_millis()).unwrap_or(u64::MAX);
    headers.insert(HeaderName::from_static("x-edison-ticket"), HeaderValue::from(started.ticket));
    headers.insert(HeaderName::from_static("x-edison-wait-ms"), HeaderValue::from(waited_ms));
    // The configuration takes only names that can stand in a header; a service built otherwise goes without.
    if let Ok(model) = HeaderValue::from_str(&started.model) {
        headers.insert(HeaderName::from_static("x-edison-model"), model);
    }
    headers
}
