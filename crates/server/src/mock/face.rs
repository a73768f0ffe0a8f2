//! The HTTP face of the mock: the production app, with somebody who looks on, and the control routes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use backend_mock::{Note, Wire};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde_json::json;

use super::control;
use super::entry::Entry;
use super::server::Shared;
use super::style::Style;
use super::tamper::Tamper;
use crate::echo;
use crate::error::ApiError;
use crate::request_id::HEADER as REQUEST_ID;

/// Tells tests apart that share a server.
const TEST_ID: HeaderName = HeaderName::from_static("x-test-id");

/// When to try again, to the millisecond.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The longest id of a test.
const TEST_ID_MAX: usize = 256;

/// The routes.
pub(super) fn face(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/mock/journal", get(control::journal))
        .route("/mock/reset", post(control::reset))
        .route("/mock/script", post(control::script))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed.into_detail())
        .fallback(forward)
        .with_state(shared)
}

/// The test that a request belongs to.
pub(super) fn test_id(headers: &HeaderMap) -> Option<String> {
    let id = String::from_utf8_lossy(headers.get(TEST_ID)?.as_bytes()).into_owned();
    Some(id.chars().take(TEST_ID_MAX).collect())
}

/// Whether production takes this for an id.
fn is_id(given: &HeaderValue) -> bool {
    (1..=128).contains(&given.len()) && given.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Hands a request to the production app, and its answer back.
async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Infallible> {
    let world = shared.world();
    let app = TowerToHyperService::new(world.app.clone());
    if request.method() != Method::POST {
        return hyper::service::Service::call(&app, request).await;
    }
    let test_id = test_id(request.headers());
    let (mut head, body) = request.into_parts();
    let given = head.headers.get(REQUEST_ID).filter(|given| is_id(given)).cloned();
    let request_id = shared.enlist(&world, given.as_ref(), test_id.as_deref().unwrap_or_default());
    // Unique among those under way, so that the engine's notes find their request.
    head.headers.insert(REQUEST_ID, HeaderValue::from_str(&request_id).expect("an id is visible ASCII"));
    let style = Style::of(head.uri.path());
    let number = world.log.came(&request_id, test_id, head.uri.path());
    let entry = Entry::new(Arc::clone(&world), number, request_id.clone());
    let body = entry.reading(body);
    let response = hyper::service::Service::call(&app, Request::from_parts(head, body)).await?;

    let notes = world.stage.notes(&request_id);
    let (mut response, mut faults) = scripted(response, style, &notes);
    if let Some(given) = given {
        response.headers_mut().insert(REQUEST_ID, given);
    }
    let asked = entry.taken_body();
    let is_stream =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let wires = notes.iter().flat_map(|note| &note.wires).filter(|_| response.status() == StatusCode::OK);
    let tamper = Tamper::new(wires, is_stream.then(|| style.preamble(&asked)));
    faults.extend(tamper.name());
    if tamper.name() == Some("malformed") {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    entry.answering(response.status().as_u16(), asked, faults);
    Ok(response.map(|body| entry.writing(body, tamper)))
}

/// The answer that the script wants instead of the one there is.
fn scripted(response: Response, style: Style, notes: &[Note]) -> (Response, Vec<&'static str>) {
    let status = notes.iter().flat_map(|note| &note.wires).find_map(|wire| match wire {
        Wire::Status { status, retry_after } => Some((*status, *retry_after)),
        _ => None,
    });
    let headers = response.headers().clone();
    let keep = |mut instead: Response| {
        if let Some(id) = headers.get(REQUEST_ID) {
            instead.headers_mut().insert(REQUEST_ID, id.clone());
        }
        instead
    };
    // The engine fails before the first token in both cases, so there is no answer yet.
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return (response, Vec::new());
    }
    match (status, notes.iter().find_map(|note| note.objection.as_ref())) {
        (Some((status, retry_after)), _) => {
            let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let message = format!("the script answers this call with {status}");
            let mut instead = style.error(code, &message, "scripted_fault");
            if let Some(time) = retry_after {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                instead.headers_mut().insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
                instead.headers_mut().insert(RETRY_AFTER_MS, HeaderValue::from(millis));
            }
            (keep(instead), vec!["status"])
        }
        (None, Some(objection)) => {
            // It may quote the request, which has no bound that a message has.
            let message = echo::account(objection);
            (keep(style.error(StatusCode::BAD_REQUEST, &message, "no_scripted_answer")), Vec::new())
        }
        (None, None) => (response, Vec::new()),
    }
}

/// An answer of a control route that says what is wrong.
pub(super) fn refused(message: impl Into<String>) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "detail": message.into() }))).into_response()
}

/// An empty answer.
pub(super) fn done() -> Response<Body> {
    StatusCode::NO_CONTENT.into_response()
}
