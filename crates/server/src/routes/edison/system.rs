//! `GET /system/stats`: how busy the machine is. EDISON's web page asks every two seconds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::machine::Stats;
use crate::state::App;

pub(crate) async fn stats(State(app): State<Arc<App>>) -> Json<Stats> {
    Json(app.machine.stats().await)
}
