//! EDISON's own protocol: `POST /chat`, `/chat/stream`, `/chat/cancel`, `/generate-title`, and what its page shows of the models. Errors are `{"detail": ..}`.

mod active;
mod body;
mod cancel;
mod chat;
mod loading;
mod models;
mod system;
mod title;
mod turn;

pub(crate) use active::Active;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::state::App;

/// The paths.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/chat", post(chat::whole))
        .route("/chat/stream", post(chat::stream))
        .route("/chat/cancel", post(cancel::cancel))
        .route("/generate-title", post(title::generate))
        .route("/system/stats", get(system::stats))
        .route("/models/list", get(models::list))
        .route("/models/load", post(loading::load))
        .route("/models/unload", post(loading::unload))
        .route("/models/status", get(models::status))
}
