//! `POST /models/load` and `POST /models/unload`: a configured model is brought back, or let go. llama-server's router has
//! the same paths, and calls the model `model` where EDISON says `name`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use serving::Refusal;

use super::body::any_json;
use crate::error::ApiError;
use crate::state::App;
use crate::validate::BadRequest;

/// Brings a model back, and answers when it is loaded.
///
/// # Cancel safety
/// A client that leaves leaves the wish behind.
pub(super) async fn load(State(app): State<Arc<App>>, body: Body) -> Response {
    match name(&app, body).await {
        Ok(name) => told(app.service.load(&name).await, true),
        Err(error) => error.into_detail(),
    }
}

/// Lets a model go: whoever holds a lane of it finishes, and the answer comes when its engine was dropped. Who waits for the
/// model, or asks for it later, brings it back.
///
/// # Cancel safety
/// A client that leaves leaves the wish behind.
pub(super) async fn unload(State(app): State<Arc<App>>, body: Body) -> Response {
    match name(&app, body).await {
        Ok(name) => told(app.service.unload(&name).await, false),
        Err(error) => error.into_detail(),
    }
}

async fn name(app: &App, body: Body) -> Result<String, ApiError> {
    let body = app.bodies.read(body, &app.limits, any_json).await?;
    let name = body["name"].as_str().or_else(|| body["model"].as_str()).filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| BadRequest::field("name", "name is required").into())
}

fn told(id: Result<String, Refusal>, loaded: bool) -> Response {
    match id {
        Ok(name) => Json(json!({"ok": true, "success": true, "name": name, "loaded": loaded})).into_response(),
        Err(refusal) => ApiError::from(refusal).into_detail(),
    }
}
