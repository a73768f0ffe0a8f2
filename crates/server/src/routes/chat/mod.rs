//! `POST /v1/chat/completions`.

mod ask;
mod body;
mod stream;

pub(crate) use ask::{Caller, hash};
pub(crate) use body::Bodies;

use std::iter::repeat_n;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::Prompt;

use self::stream::Chunks;
use crate::answer::{self, Answer, Timed};
use crate::error::ApiError;
use crate::state::App;
use crate::validate::{self, Pictures};
use crate::wire::response::ChatCompletion;

/// Answers a chat. Whatever can be refused is refused before the first byte of a 200: the first token is awaited, for as
/// long as the client does not want to be told where it is meanwhile.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn complete(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let messages_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| validate::chat(body, messages_max, pictures);
    let chat = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    let asked = chat.asked;
    let prompts = repeat_n(Prompt::Chat(chat.conversation), asked.choices as usize);
    let requests = (0..).zip(prompts).map(|(choice, prompt)| caller.request(&asked, choice, prompt));
    let mut answer = Answer::submit(&app.service, requests, chat.fields)?;

    let (id, created) = (format!("chatcmpl-{}", caller.id()), app.clock.unix_seconds());
    if let Some(streaming) = chat.stream {
        let events = Chunks::new(id, created, asked.choices, streaming);
        return answer::stream(answer, events, caller.keep_alive(&app.limits)).await;
    }
    let started = answer.started().await?;
    let choices = answer::collect(answer).await?;
    let (n_choices, first) = (choices.len(), choices[0].completed.clone());
    let completion = ChatCompletion::new(&id, created, &started.model, choices);
    let headers = answer::whole_headers(&started, &first);
    Ok((headers, Json(Timed::new(completion, n_choices, &first))).into_response())
}
