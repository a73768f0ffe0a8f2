//! The routes by which a test steers the mock. They exist in the mock only.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use super::face::{done, refused, test_id};
use super::script::Script;
use super::server::Shared;
use crate::echo;

/// Bytes of a script.
const SCRIPT_MAX: usize = 16 * 1024 * 1024;

/// The longest wait for requests to end.
const SETTLE_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize)]
pub(super) struct JournalQuery {
    /// Waits so long at most until every request is over.
    settle_ms: Option<u64>,
}

/// `GET /mock/journal`: what happened; with `x-test-id`, to the requests of that test.
pub(super) async fn journal(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<JournalQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return refused(echo::sentence(&rejection.body_text())),
    };
    let (world, test_id) = (shared.world(), test_id(&headers));
    if let Some(millis) = query.settle_ms {
        world.settled(test_id.as_deref(), Duration::from_millis(millis).min(SETTLE_MAX)).await;
    }
    Json(world.journal(test_id.as_deref())).into_response()
}

/// `POST /mock/reset`: everything from the start; with `x-test-id`, the calls, sequences, rules and requests of that test.
pub(super) async fn reset(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match test_id(&headers) {
        Some(test_id) => {
            shared.forget(&test_id);
            done()
        }
        None => match shared.reset() {
            Ok(()) => done(),
            Err(error) => refused(error),
        },
    }
}

/// `POST /mock/script`: another script, in TOML, or in JSON with that content type; with `x-test-id`, rules for that test.
pub(super) async fn script(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    let body = match Limited::new(body, SCRIPT_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return refused(format!("the script could not be read: {error}")),
    };
    let Ok(text) = std::str::from_utf8(&body) else { return refused("the script is not UTF-8") };
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let script = if is_json { Script::from_json(text) } else { Script::from_toml(text, "script") };
    let taken = match (script, test_id(&headers)) {
        (Ok(script), Some(test_id)) => shared.set_rules(&test_id, script),
        (Ok(script), None) => shared.set_script(script),
        (Err(error), _) => Err(error.to_string()),
    };
    match taken {
        Ok(()) => done(),
        Err(error) => refused(error),
    }
}
