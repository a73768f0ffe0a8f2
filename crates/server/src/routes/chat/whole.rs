//! The answer in one piece.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serving::{Failure, Generation, Progress};

use super::Identity;
use crate::error::ApiError;
use crate::wire::response::{ChatCompletion, Said};

/// Collects the answer. An answer that breaks off is an error, never half an answer.
pub(super) async fn respond(identity: Identity, mut generation: Generation) -> Result<Response, ApiError> {
    let mut said = Said::default();
    loop {
        match generation.next().await {
            Some(Progress::Token(token)) => said.push(&token),
            Some(Progress::Completed(completed)) => {
                let Identity { id, created, model } = &identity;
                return Ok(Json(ChatCompletion::new(id, *created, model, &mut said, completed.finish)).into_response());
            }
            Some(Progress::Failed(failure)) => return Err(ApiError::Failed(failure)),
            None => return Err(ApiError::Failed(broken_off())),
        }
    }
}

/// Only the service's being torn down under its requests ends a stream without its last event.
pub(super) fn broken_off() -> Failure {
    Failure::ShuttingDown
}
