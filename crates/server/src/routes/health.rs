//! `GET /health` and `GET /ready`: whether the process is up, and whether it can serve. Neither takes a model lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serving::LoadState;

use crate::state::App;

/// The process is up, whatever the models do.
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    models: BTreeMap<String, Load>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Load {
    Loading { progress: f32 },
    Ready,
    Failed { reason: String },
}

/// 200 when every model is loaded; 503 with what is missing otherwise.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let models: BTreeMap<String, Load> =
        app.service.models().into_iter().map(|model| (model.id, model.state.into())).collect();
    let draining = app.shutdown.is_draining() || app.service.is_draining();
    let ready = !draining && models.values().all(|load| *load == Load::Ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, draining, models })).into_response()
}

impl From<LoadState> for Load {
    fn from(state: LoadState) -> Self {
        match state {
            LoadState::Loading { progress } => Self::Loading { progress },
            LoadState::Ready => Self::Ready,
            LoadState::Failed { reason } => Self::Failed { reason },
        }
    }
}
