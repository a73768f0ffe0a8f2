//! The routes, and what they share.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serving::Service;

use crate::access::{Access, ApiKeys, Origins};
use crate::catalogue::Catalogue;
use crate::clock::WallClock;
use crate::entrance::{Entrance, enter};
use crate::error::{ApiError, MessagesStyle};
use crate::fetch::PictureFetch;
use crate::limits::HttpLimits;
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::openapi;
use crate::request_id::RequestIds;
use crate::routes::{
    chat, completions, edison, embeddings, health, index, llama, locks, messages, metrics as metrics_page, models,
    rerank, responses, tokens,
};
use crate::shutdown::Shutdown;
use crate::state::App;

/// What the routes need besides the service. Tests fix the clock and the ids.
#[derive(Clone)]
pub struct AppOptions {
    /// Bounds on bodies.
    pub limits: HttpLimits,
    /// Makes ids for requests that come without one.
    pub ids: RequestIds,
    /// Dates the answers.
    pub clock: WallClock,
    /// Tells `/ready` that the server is going down.
    pub shutdown: Shutdown,
    /// Who may use the server. By default everybody.
    pub keys: ApiKeys,
    /// Which web pages may. By default those of this machine.
    pub origins: Origins,
    /// Brings the pictures whose URLs are not their data. By default nothing is fetched.
    pub pictures: PictureFetch,
    /// What is counted; the service tells it of its outcomes through [`Metrics::observer`]. By default new ones.
    pub metrics: Metrics,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            limits: HttpLimits::default(),
            ids: RequestIds::random(),
            clock: WallClock::system(),
            shutdown: Shutdown::default(),
            keys: ApiKeys::default(),
            origins: Origins::default(),
            pictures: PictureFetch::off(),
            metrics: Metrics::default(),
        }
    }
}

/// Builds the HTTP face of a service. Everything but a chat is answered without waiting for a model.
pub fn app(service: Service, options: AppOptions) -> Router {
    let AppOptions { limits, ids, clock, shutdown, keys, origins, pictures, metrics } = options;
    let created = clock.unix_seconds();
    let bodies = chat::Bodies::new(limits.bodies_max_bytes, pictures);
    let catalogue = Catalogue::new(service.models());
    let active = edison::Active::default();
    let machine = Machine::default();
    let entrance = Entrance { ids, access: Access::new(keys, origins), metrics: metrics.clone() };
    let app = App { service, limits, catalogue, bodies, active, metrics, machine, clock, shutdown, created };
    let Routes { router, .. } = routes();
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(unknown_path)
        .layer(from_fn_with_state(Arc::new(entrance), enter))
        .with_state(Arc::new(app))
}

/// Everything that is served. What is not described as well fails a test in `openapi`.
pub(crate) fn routes() -> Routes {
    let routes = Routes::default()
        .get("/", index::show)
        .get("/health", health::health)
        .get("/ready", health::ready)
        .get("/openapi.json", openapi::json)
        .get("/docs", openapi::page)
        .get("/locks", locks::show)
        .get("/metrics", metrics_page::show)
        .get("/v1/models", models::list)
        // Ids such as `org/model` have slashes in them.
        .get("/v1/models/{*id}", models::show)
        .post("/v1/chat/completions", chat::complete)
        .post("/v1/completions", completions::complete)
        .post("/v1/embeddings", embeddings::embed)
        .post("/v1/rerank", rerank::rerank)
        .post("/rerank", rerank::rerank)
        .post("/reranking", rerank::rerank)
        .post("/v1/responses", responses::create)
        .post("/v1/messages", messages::create)
        .post("/v1/messages/count_tokens", messages::count_tokens)
        .get("/props", llama::props)
        .get("/slots", llama::slots)
        .get("/lora-adapters", llama::adapters)
        .post("/completion", llama::complete)
        .post("/tokenize", tokens::tokenize)
        .post("/detokenize", tokens::detokenize)
        .post("/apply-template", tokens::apply_template);
    edison::routes(routes)
}

/// Routes, and which they are: axum's own router does not tell.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<App>>,
    /// Method and path of each.
    pub(crate) known: Vec<(&'static str, &'static str)>,
}

impl Routes {
    pub(crate) fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<App>>) -> Self {
        self.add("get", path, get(handler))
    }

    pub(crate) fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<App>>) -> Self {
        self.add("post", path, post(handler))
    }

    fn add(mut self, method: &'static str, path: &'static str, handler: MethodRouter<Arc<App>>) -> Self {
        self.known.push((method, path));
        Self { router: self.router.route(path, handler), ..self }
    }
}

async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    in_the_style_of(&path, ApiError::UnknownPath(path.clone()))
}

async fn method_not_allowed(request: Request) -> Response {
    in_the_style_of(request.uri().path(), ApiError::MethodNotAllowed)
}

/// The paths of llama-server that are served, whose errors look like the OpenAI protocol's.
pub(crate) const OF_LLAMA_SERVER: [&str; 9] = [
    "/props",
    "/slots",
    "/lora-adapters",
    "/completion",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/rerank",
    "/reranking",
];

/// Clients of the OpenAI protocol read its error object; the other paths are read by people and scripts.
pub(crate) fn in_the_style_of(path: &str, error: ApiError) -> Response {
    if path == "/v1/messages" || path.starts_with("/v1/messages/") {
        return MessagesStyle(error).into_response();
    }
    let is_of_protocol = path == "/v1" || path.starts_with("/v1/") || OF_LLAMA_SERVER.contains(&path);
    if is_of_protocol { error.into_response() } else { error.into_detail() }
}
