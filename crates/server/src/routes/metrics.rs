//! `GET /metrics`: what was counted, for Prometheus. Takes no model lock.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::metrics;
use crate::state::App;

/// All of it, as text.
pub(crate) async fn show(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], app.metrics.text(&app.service))
}
