//! Who may use the server: people with a key, and pages of origins that were named.

mod keys;
mod origins;

use std::convert::Infallible;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tower::Layer;
use tower_http::cors::CorsLayer;
use tracing::Span;

pub use self::keys::ApiKeys;
pub(crate) use self::keys::VARIABLE;
pub use self::origins::Origins;
use crate::app::in_the_style_of;
use crate::connection::Peer;
use crate::error::ApiError;

/// What is answered without a key: whether the process is up, for whoever watches over it.
const OPEN: &str = "/health";

/// The header of the Anthropic protocol.
const X_API_KEY: &str = "x-api-key";

/// Lets a request pass that may, under the name of its key, and answers it otherwise, in the words of its protocol.
pub(crate) async fn admit(
    State((keys, origins)): State<(ApiKeys, Origins)>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let mut peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    if !keys.is_empty() && path != OPEN {
        let presented: Vec<_> = presented(request.headers()).collect();
        let Some(owner) = presented.iter().find_map(|key| keys.owner(key)) else {
            tracing::info!(client = peer.client, "no key that is known");
            return in_the_style_of(&path, ApiError::Unauthorized { has_key: !presented.is_empty() });
        };
        // From here on the request is its owner's, from wherever it comes.
        peer.client = Some(owner.to_owned());
        request.extensions_mut().insert(peer.clone());
    }
    Span::current().record("client", &peer.client);
    let (head, body) = request.into_parts();
    if !origins.admit(&head) {
        return in_the_style_of(&path, ApiError::ForeignOrigin);
    }
    next.run(Request::from_parts(head, body)).await
}

/// Tells browsers which pages may read an answer, and answers their preflights. Other clients hear nothing of it.
pub(crate) async fn answer_page(
    State(cors): State<CorsLayer>,
    request: Request,
    next: Next,
) -> Result<Response, Infallible> {
    if !request.headers().contains_key(ORIGIN) {
        return Ok(next.run(request).await);
    }
    TowerToHyperService::new(cors.layer(next)).call(request).await
}

/// The keys that a request presents, under either header: each SDK knows one of them.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key.trim_ascii())
    });
    bearer.into_iter().chain(headers.get(X_API_KEY).map(http::HeaderValue::as_bytes))
}
