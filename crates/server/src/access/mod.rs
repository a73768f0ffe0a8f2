//! Who may use the server: people with a key, and pages of origins that were named.

mod keys;
mod origins;

use std::convert::Infallible;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tower::{Layer, service_fn};
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

/// Who is let in.
#[derive(Debug, Default)]
pub(crate) struct Access {
    keys: ApiKeys,
    origins: Origins,
    cors: CorsLayer,
}

impl Access {
    pub(crate) fn new(keys: ApiKeys, origins: Origins) -> Self {
        let cors = origins.layer();
        Self { keys, origins, cors }
    }

    /// Answers a request: lets it pass if it may, and tells browsers which pages may read the answer. Other clients hear
    /// nothing of that.
    pub(crate) async fn answer(&self, request: Request, next: Next) -> Response {
        if !request.headers().contains_key(ORIGIN) {
            return self.admitted(request, next).await;
        }
        // Outside of the rest: a preflight has no key, and a page wants to read why it was not let in.
        let inside = service_fn(async |request| Ok::<_, Infallible>(self.admitted(request, next.clone()).await));
        let Ok(answer) = TowerToHyperService::new(self.cors.layer(inside)).call(request).await;
        answer
    }

    async fn admitted(&self, mut request: Request, next: Next) -> Response {
        match self.admit(&mut request) {
            Ok(()) => next.run(request).await,
            Err(error) => in_the_style_of(request.uri().path(), error),
        }
    }

    /// Puts a request under the name of its key.
    ///
    /// # Errors
    /// Why it may not pass.
    fn admit(&self, request: &mut Request) -> Result<(), ApiError> {
        if !self.keys.is_empty() && request.uri().path() != OPEN {
            let presented: Vec<_> = presented(request.headers()).collect();
            let owner = presented.iter().find_map(|key| self.keys.owner(key)).map(str::to_owned);
            let has_key = !presented.is_empty();
            let peer = request.extensions_mut().get_or_insert_default::<Peer>();
            if owner.is_none() {
                tracing::info!(client = peer.client, "no key that is known");
                return Err(ApiError::Unauthorized { has_key });
            }
            // From here on the request is its owner's, from wherever it comes.
            peer.client = owner;
        }
        if let Some(client) = request.extensions().get::<Peer>().and_then(|peer| peer.client.as_ref()) {
            Span::current().record("client", client);
        }
        if self.origins.admit(request) { Ok(()) } else { Err(ApiError::ForeignOrigin) }
    }
}

/// The keys that a request presents, under either header: each SDK knows one of them.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key.trim_ascii())
    });
    bearer.into_iter().chain(headers.get(X_API_KEY).map(http::HeaderValue::as_bytes))
}
