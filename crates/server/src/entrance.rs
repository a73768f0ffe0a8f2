//! What every request passes before its route, and every answer behind it: its id, its span, and who is let in.
//!
//! All of it is one layer. Each costs every request a few allocations, whatever it does.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use crate::access::Access;
use crate::echo;
use crate::metrics::Metrics;
use crate::request_id::{self, RequestId, RequestIds};
use crate::trace_context::{self, TraceContext};

/// What is shared by all requests.
pub(crate) struct Entrance {
    pub(crate) ids: RequestIds,
    pub(crate) access: Access,
    pub(crate) metrics: Metrics,
}

/// Gives every request its id and its span, and every answer the id in a header.
pub(crate) async fn enter(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    let Entrance { ids, access, metrics } = &*entrance;
    let id = RequestId::of(request.headers(), ids);
    let span = tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = %echo::value(request.uri().path()), client = Empty, trace_id = Empty);
    let context = TraceContext::of(request.headers(), id.as_str());
    if let Some(context) = &context {
        span.record("trace_id", context.trace_id());
    }
    request.extensions_mut().insert(id.clone());
    let begun = Instant::now();
    async {
        let mut response = access.answer(request, next).await;
        metrics.answered(response.status());
        tracing::debug!(status = response.status().as_u16(), elapsed_ms = begun.elapsed().as_millis(), "answered");
        response.headers_mut().insert(request_id::HEADER, id.header_value());
        if let Some(context) = context {
            response.headers_mut().insert(trace_context::HEADER, context.header_value());
        }
        response
    }
    .instrument(span)
    .await
}
