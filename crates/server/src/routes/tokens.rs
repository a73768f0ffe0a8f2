//! `POST /tokenize`, `/detokenize` and `/apply-template`. None of them takes a model lock; all wait for a model that loads.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serving::{Encoding, Refusal};

use crate::error::{ApiError, Fields};
use crate::routes::chat::Caller;
use crate::state::App;
use crate::validate::{self, Pictures};
use crate::wire::tokens::{Detokenized, Rendered, TokenOut, Tokenized};

/// The tokens of a text.
pub(crate) async fn tokenize(State(app): State<Arc<App>>, request: Request) -> Result<Json<Tokenized>, ApiError> {
    let (head, body) = request.into_parts();
    Caller::of(&head)?;
    let asked = app.bodies.read(body, &app.limits, validate::tokenize).await?;
    let refused = |refusal| refused(refusal, "content");
    let encoding = encoding(&app, asked.model).await?;
    let tokens = encoding.tokenize(asked.content, asked.specials, asked.as_prompt).await.map_err(refused)?;
    let tokens = match asked.with_pieces {
        false => tokens.into_iter().map(TokenOut::Id).collect(),
        true => {
            let pieces = encoding.token_bytes(tokens.clone()).await.map_err(refused)?;
            let piece = |(id, bytes): (u32, Vec<u8>)| TokenOut::Piece { id, piece: bytes.into() };
            tokens.into_iter().zip(pieces).map(piece).collect()
        }
    };
    Ok(Json(Tokenized { tokens }))
}

/// The text of tokens.
pub(crate) async fn detokenize(State(app): State<Arc<App>>, request: Request) -> Result<Json<Detokenized>, ApiError> {
    let (head, body) = request.into_parts();
    Caller::of(&head)?;
    let (model, tokens) = app.bodies.read(body, &app.limits, validate::detokenize).await?;
    let bytes = encoding(&app, model).await?.token_bytes(tokens).await;
    let bytes = bytes.map_err(|refusal| refused(refusal, "tokens"))?.concat();
    Ok(Json(Detokenized { content: String::from_utf8_lossy(&bytes).into_owned() }))
}

/// The text that a model's template makes of a conversation.
pub(crate) async fn apply_template(State(app): State<Arc<App>>, request: Request) -> Result<Json<Rendered>, ApiError> {
    let (head, body) = request.into_parts();
    Caller::of(&head)?;
    let messages_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| validate::template(body, messages_max, pictures);
    let (model, chat) = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    let prompt = encoding(&app, model).await?.render(chat).await;
    Ok(Json(Rendered { prompt: prompt.map_err(|refusal| refused(refusal, "messages"))? }))
}

async fn encoding(app: &App, model: Option<String>) -> Result<Encoding, ApiError> {
    let model = model.unwrap_or_else(|| app.first_model());
    Ok(app.service.encoding(&model).await?)
}

fn refused(refusal: Refusal, prompt: &'static str) -> ApiError {
    ApiError::refused(refusal, Fields { prompt, ..Fields::CHAT })
}
