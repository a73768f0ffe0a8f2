//! The routes, and what they share.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serving::Service;

use crate::access::{self, ApiKeys, Origins};
use crate::catalogue::Catalogue;
use crate::clock::WallClock;
use crate::error::{ApiError, MessagesStyle};
use crate::limits::HttpLimits;
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::request_id::{RequestIds, identify};
use crate::routes::{
    chat, completions, edison, embeddings, health, index, llama, locks, messages, metrics as metrics_page, models,
    responses, tokens,
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
            metrics: Metrics::default(),
        }
    }
}

/// Builds the HTTP face of a service. Everything but a chat is answered without waiting for a model.
pub fn app(service: Service, options: AppOptions) -> Router {
    let AppOptions { limits, ids, clock, shutdown, keys, origins, metrics } = options;
    let cors = origins.layer();
    let created = clock.unix_seconds();
    let bodies = chat::Bodies::new(limits.bodies_max_bytes);
    let catalogue = Catalogue::new(service.models());
    let active = edison::Active::default();
    let machine = Machine::default();
    let numbered = (ids, metrics.clone());
    let app = App { service, limits, catalogue, bodies, active, metrics, machine, clock, shutdown, created };
    Router::new()
        .route("/", get(index::show))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/locks", get(locks::show))
        .route("/metrics", get(metrics_page::show))
        .route("/v1/models", get(models::list))
        // Ids such as `org/model` have slashes in them.
        .route("/v1/models/{*id}", get(models::show))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/completions", post(completions::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/responses", post(responses::create))
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/props", get(llama::props))
        .route("/slots", get(llama::slots))
        .route("/completion", post(llama::complete))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/apply-template", post(tokens::apply_template))
        .merge(edison::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(unknown_path)
        .layer(from_fn_with_state((keys, origins), access::admit))
        // Outside of that: a preflight has no key, and a page wants to read why it was not let in.
        .layer(from_fn_with_state(cors, access::answer_page))
        .layer(from_fn_with_state(numbered, identify))
        .with_state(Arc::new(app))
}

async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    in_the_style_of(&path, ApiError::UnknownPath(path.clone()))
}

async fn method_not_allowed(request: Request) -> Response {
    in_the_style_of(request.uri().path(), ApiError::MethodNotAllowed)
}

/// The paths of llama-server that are served, whose errors look like the OpenAI protocol's.
const OF_LLAMA_SERVER: [&str; 6] = ["/props", "/slots", "/completion", "/tokenize", "/detokenize", "/apply-template"];

/// Clients of the OpenAI protocol read its error object; the other paths are read by people and scripts.
pub(crate) fn in_the_style_of(path: &str, error: ApiError) -> Response {
    if path == "/v1/messages" || path.starts_with("/v1/messages/") {
        return MessagesStyle(error).into_response();
    }
    let is_of_protocol = path == "/v1" || path.starts_with("/v1/") || OF_LLAMA_SERVER.contains(&path);
    if is_of_protocol { error.into_response() } else { error.into_detail() }
}
