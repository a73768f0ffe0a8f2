//! `POST /chat/cancel`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::body::any_json;
use crate::error::ApiError;
use crate::state::App;
use crate::validate::BadRequest;

/// Ends the chat of this id, whether it waits, is read or is answered.
pub(crate) async fn cancel(State(app): State<Arc<App>>, body: Body) -> Response {
    let body = match app.bodies.read(body, &app.limits, any_json).await {
        Ok(body) => body,
        Err(error) => return error.into_detail(),
    };
    let Some(id) = body["request_id"].as_str().filter(|id| !id.is_empty()) else {
        return ApiError::Invalid(BadRequest::field("request_id", "request_id is required")).into_detail();
    };
    let status = if app.active.cancel(id) { "cancelled" } else { "not_found" };
    Json(json!({"status": status, "request_id": id})).into_response()
}
