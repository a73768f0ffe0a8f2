//! `POST /v1/rerank`, also under llama-server's names.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::Embedding;
use serving::Failure;

use crate::answer;
use crate::error::{ApiError, Fields};
use crate::routes::chat::Caller;
use crate::state::App;
use crate::validate;
use crate::wire::rerank::{DocumentText, RankedDocument, Ranking, RankingUsage};

const FIELDS: Fields = Fields { prompt: "documents", ..Fields::CHAT };

/// Ranks documents by a query: all of a request under one lease, as embeddings are computed.
///
/// # Cancel safety
/// Dropping the future is how a client leaves.
pub(crate) async fn rerank(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let mut asked = app.bodies.read(body, &app.limits, validate::rerank).await?;
    let refused = |refusal| ApiError::refused(refusal, FIELDS);
    let inputs = asked.take_inputs();
    let request = caller.embed(asked.model, inputs);
    let scored = app.service.embed(request).map_err(refused)?.embedded().await.map_err(refused)?;

    let prompt_tokens = scored.embeddings.iter().map(|score| u64::from(score.tokens)).sum();
    let mut results = scored.embeddings.iter().enumerate().map(ranked).collect::<Result<Vec<_>, _>>()?;
    // Those that score the same stay in the order of the request.
    results.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
    results.truncate(asked.top_n);
    if asked.return_documents {
        for result in &mut results {
            result.document = Some(DocumentText { text: std::mem::take(&mut asked.documents[result.index]) });
        }
    }
    let usage = RankingUsage { prompt_tokens, total_tokens: prompt_tokens };
    let ranking = Ranking { object: "list", model: &scored.started.model, results, usage };
    Ok((answer::headers(&scored.started), Json(ranking)).into_response())
}

fn ranked((index, score): (usize, &Embedding)) -> Result<RankedDocument, ApiError> {
    match score.values[..] {
        [relevance_score] if relevance_score.is_finite() => {
            Ok(RankedDocument { index, relevance_score, document: None })
        }
        _ => Err(ApiError::Failed(Failure::Backend { reason: "a score is not one number".to_owned() })),
    }
}
