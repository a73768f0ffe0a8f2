//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::Embedding;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serving::Failure;

use crate::answer;
use crate::error::{ApiError, Fields};
use crate::routes::chat::Caller;
use crate::state::App;
use crate::validate::{self, BadRequest, EmbeddingFormat};
use crate::wire::embeddings::{EmbeddingList, EmbeddingObject, EmbeddingUsage, Vector};

const FIELDS: Fields = Fields { prompt: "input", ..Fields::CHAT };

/// Computes embeddings: all of a request under one lease.
///
/// # Cancel safety
/// Dropping the future is how a client leaves.
pub(crate) async fn embed(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let asked = app.bodies.read(body, &app.limits, validate::embeddings).await?;
    let refused = |refusal| ApiError::refused(refusal, FIELDS);
    let request = caller.embed(asked.model, asked.inputs);
    let embedded = app.service.embed(request).map_err(refused)?.embedded().await.map_err(refused)?;

    let width = embedded.embeddings.first().map_or(0, |embedding| embedding.values.len());
    if asked.dimensions.is_some_and(|dimensions| dimensions != width) {
        let message = format!("dimensions must be {width}, which is the width of this model; or leave it out");
        return Err(BadRequest::field("dimensions", message).into());
    }
    let prompt_tokens = embedded.embeddings.iter().map(|embedding| u64::from(embedding.tokens)).sum();
    let object = |(index, embedding)| {
        Ok(EmbeddingObject { object: "embedding", index, embedding: vector(embedding, asked.format)? })
    };
    let data = embedded.embeddings.into_iter().enumerate().map(object).collect::<Result<_, ApiError>>()?;
    let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
    let list = EmbeddingList { object: "list", data, model: &embedded.started.model, usage };
    Ok((answer::headers(&embedded.started), Json(list)).into_response())
}

fn vector(embedding: Embedding, format: EmbeddingFormat) -> Result<Vector, ApiError> {
    // JSON has no word for them, and no client can compare them with anything.
    if embedding.values.iter().any(|value| !value.is_finite()) {
        let reason = "an embedding has numbers that are none".to_owned();
        return Err(ApiError::Failed(Failure::Backend { reason }));
    }
    Ok(match format {
        EmbeddingFormat::Float => Vector::Floats(embedding.values),
        EmbeddingFormat::Base64 => {
            let bytes: Vec<u8> = embedding.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Vector::Base64(BASE64_STANDARD.encode(bytes))
        }
    })
}
