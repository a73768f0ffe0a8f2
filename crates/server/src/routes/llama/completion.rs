//! `POST /completion`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::Token;
use serving::{Completed, Started};

use crate::answer::{self, Answer, Events};
use crate::error::ApiError;
use crate::routes::chat::Caller;
use crate::sse::frame;
use crate::state::App;
use crate::validate;
use crate::wire::llama::{LlamaCompletion, LlamaPiece};
use crate::wire::logprobs::TokenEntry;

/// Continues a text.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn complete(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let first = app.first_model();
    let request = app.bodies.read(body, &app.limits, move |body| validate::llama_completion(body, &first)).await?;
    let submitted = caller.submit(&app.service, &request.asked, 0, request.prompt);
    let mut answer = Answer::of(std::iter::once(submitted), request.fields)?;
    if request.stream {
        return answer::stream(answer, Pieces::default(), caller.keep_alive(&app.limits)).await;
    }
    let started = answer.started().await?;
    let choice = answer::collect(answer).await?.pop().expect("one choice was asked for");
    let completion = LlamaCompletion::new(&started.model, &choice.said.text, &choice.said.logprobs, &choice.completed);
    Ok((answer::whole_headers(&started, &choice.completed), Json(completion)).into_response())
}

/// Writes the pieces of one answer.
#[derive(Default)]
struct Pieces {
    model: String,
}

impl Events for Pieces {
    /// Nothing is told before the first piece.
    fn begin(&mut self, _: &mut Vec<u8>, started: &Started) {
        self.model.clone_from(&started.model);
    }

    fn token(&mut self, out: &mut Vec<u8>, _: usize, token: &Token) {
        let completion_probabilities = token.logprob.iter().map(TokenEntry::from).collect();
        frame(out, &LlamaPiece { index: 0, content: &token.text, stop: false, completion_probabilities });
    }

    fn completed(&mut self, out: &mut Vec<u8>, _: usize, completed: &Completed) {
        frame(out, &LlamaCompletion::new(&self.model, "", &[], completed));
    }

    /// That it stops was said in the last piece.
    fn end(&mut self, _: &mut Vec<u8>) {}

    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        frame(out, &error.object());
    }
}
