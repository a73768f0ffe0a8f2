//! `POST /v1/messages` and `POST /v1/messages/count_tokens`: the Anthropic protocol.

mod stream;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::Prompt;

use self::stream::MessageEvents;
use crate::answer::{self, Answer, Choice};
use crate::error::{ApiError, Fields, MessagesStyle};
use crate::routes::chat::Caller;
use crate::state::App;
use crate::validate::{self, Pictures};
use crate::wire::messages::response::{ContentBlock, MessageAnswer, TokenCount, stop_reason};

const FIELDS: Fields = Fields { constraint: "output_config.format", ..Fields::CHAT };

/// Answers a conversation. As with a chat, what can be refused is refused before the first byte of a 200.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, MessagesStyle> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let messages_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| validate::anthropic_messages(body, messages_max, pictures);
    let request = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    let fields = Fields { options: request.asked.options.constraint.as_ref().map(|_| FIELDS.constraint), ..FIELDS };
    let fields = if request.conversation.may_call() { Fields { options: Some("tools"), ..fields } } else { fields };
    let submitted = caller.request(&request.asked, 0, Prompt::Chat(request.conversation));
    let mut answer = Answer::submit(&app.service, std::iter::once(submitted), fields)?;

    let id = format!("msg_{}", caller.id());
    if request.stream {
        return Ok(answer::stream(answer, MessageEvents::new(id), caller.keep_alive(&app.limits)).await?);
    }
    let started = answer.started().await?;
    let choice = answer::collect(answer).await?.pop().expect("one choice was asked for");
    let finish = choice.completed.finish;
    let answer = MessageAnswer {
        stop_reason: Some(stop_reason(finish.reason)),
        ..MessageAnswer::new(&id, &started.model, content(&choice), finish.usage.into())
    };
    Ok((answer::whole_headers(&started, &choice.completed), Json(answer)).into_response())
}

/// Counts the tokens of a conversation. Takes no lane.
pub(crate) async fn count_tokens(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<TokenCount>, MessagesStyle> {
    let (head, body) = request.into_parts();
    Caller::of(&head)?;
    let messages_max = app.limits.messages_max;
    let read = move |body: &[u8], pictures: &mut Pictures| validate::count(body, messages_max, pictures);
    let (model, chat) = app.bodies.read_with_pictures(body, &app.limits, read).await?;
    let encoding = app.service.encoding(&model).await.map_err(ApiError::from)?;
    Ok(Json(TokenCount { input_tokens: encoding.count(chat).await.map_err(ApiError::from)? }))
}

/// What the answer says, thoughts first.
fn content(choice: &Choice) -> Vec<ContentBlock<'_>> {
    let said = &choice.said;
    let thinking = ContentBlock::Thinking { thinking: &said.reasoning, signature: "" };
    let thinking = (!said.reasoning.is_empty()).then_some(thinking);
    let text = (!said.text.is_empty()).then_some(ContentBlock::Text { text: &said.text });
    thinking.into_iter().chain(text).chain(said.calls.iter().map(ContentBlock::call)).collect()
}
