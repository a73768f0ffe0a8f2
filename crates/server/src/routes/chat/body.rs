//! Reads a body whole, within its bounds.

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::ApiError;
use crate::limits::HttpLimits;

pub(super) async fn read(body: Body, limits: &HttpLimits) -> Result<Bytes, ApiError> {
    let max = limits.body_max_bytes;
    // A client that announces too much is told so before it has sent it.
    if body.size_hint().lower() > max as u64 {
        return Err(ApiError::BodyTooLarge(max));
    }
    let limit = limits.body_read_timeout;
    match tokio::time::timeout(limit, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge(max)),
        Ok(Err(error)) => Err(ApiError::BodyBroken(error.to_string())),
        Err(_) => Err(ApiError::BodyTimeout(limit)),
    }
}
