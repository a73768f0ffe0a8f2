//! EDISON's own protocol: `POST /chat`, `/chat/stream`, `/chat/cancel`, `/generate-title`, and what its page shows of the models. Errors are `{"detail": ..}`.

mod active;
mod body;
mod cancel;
mod chat;
mod loading;
mod models;
mod reply;
mod system;
mod teller;
mod title;
mod turn;

pub(crate) use active::Active;
#[cfg(feature = "mock")]
pub(crate) use body::ask;

use crate::app::Routes;

/// The paths.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .post("/chat", chat::whole)
        .post("/chat/stream", chat::stream)
        .post("/chat/cancel", cancel::cancel)
        .post("/generate-title", title::generate)
        .get("/system/stats", system::stats)
        .get("/models/list", models::list)
        .post("/models/load", loading::load)
        .post("/models/unload", loading::unload)
        .get("/models/status", models::status)
}
