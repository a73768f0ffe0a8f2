//! `POST /v1/responses`, without anything that is kept.

mod items;
mod stream;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::{FinishReason, Prompt, Usage};

use self::stream::ResponseEvents;
use crate::answer::{self, Answer};
use crate::error::{ApiError, Fields};
use crate::routes::chat::Caller;
use crate::state::App;
use crate::validate::{self, Pictures};
use crate::wire::null::Null;
use crate::wire::responses::response::{Echoed, Incomplete, OutputItem, ResponseObject, ResponsesUsage};

const FIELDS: Fields = Fields { prompt: "input", constraint: "text.format", options: None };

/// What every form of an answer says.
struct Head {
    id: String,
    created_at: u64,
    model: String,
    echoed: Echoed,
}

impl Head {
    /// An answer that has only begun.
    fn begun<'a>(&'a self, output: &'a [OutputItem]) -> ResponseObject<'a> {
        ResponseObject {
            id: &self.id,
            object: "response",
            created_at: self.created_at,
            model: &self.model,
            status: "in_progress",
            error: Null,
            incomplete_details: None,
            output,
            usage: None,
            echoed: &self.echoed,
        }
    }

    /// One that has ended, of whose tokens `reasoning_tokens` were thoughts.
    fn ended<'a>(
        &'a self,
        output: &'a [OutputItem],
        reason: FinishReason,
        usage: Usage,
        reasoning_tokens: u32,
    ) -> ResponseObject<'a> {
        let is_cut = reason == FinishReason::Length;
        ResponseObject {
            status: if is_cut { "incomplete" } else { "completed" },
            incomplete_details: is_cut.then_some(Incomplete { reason: "max_output_tokens" }),
            usage: Some(ResponsesUsage::new(usage, reasoning_tokens)),
            ..self.begun(output)
        }
    }
}

/// Answers. As with a chat, what can be refused is refused before the first byte of a 200.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let items_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| validate::responses(body, items_max, pictures);
    let request = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    let options = match (&request.asked.options.constraint, request.conversation.may_call()) {
        (Some(_), _) => Some(FIELDS.constraint),
        (None, may_call) => may_call.then_some("tools"),
    };
    let submitted = caller.request(&request.asked, 0, Prompt::Chat(request.conversation));
    let mut answer = Answer::submit(&app.service, std::iter::once(submitted), Fields { options, ..FIELDS })?;

    let (id, created_at) = (format!("resp_{}", caller.id()), app.clock.unix_seconds());
    let head = Head { id, created_at, model: String::new(), echoed: request.echoed };
    if request.stream {
        return answer::stream(answer, ResponseEvents::new(head), caller.keep_alive(&app.limits)).await;
    }
    let started = answer.started().await?;
    let choice = answer::collect(answer).await?.pop().expect("one choice was asked for");
    let headers = answer::whole_headers(&started, &choice.completed);
    let (finish, reasoning_tokens) = (choice.completed.finish, choice.said.reasoning_tokens);
    let head = Head { model: started.model.clone(), ..head };
    let output = items::of(&head.id, choice.said, finish.reason);
    let response = head.ended(&output, finish.reason, finish.usage, reasoning_tokens);
    Ok((headers, Json(response)).into_response())
}
