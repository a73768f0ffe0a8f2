//! `POST /generate-title`. There is always a title: the message's own words where no model has one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use backend::{Chat, ChatMessage, GenerateOptions, Prompt, Role, Sampling};
use serde_json::{Value, json};
use serving::{Class, Progress, Request, Tier};

use super::body::any_json;
use crate::edison::title::{of_message, title};
use crate::error::ApiError;
use crate::routes::chat::{Caller, hash};
use crate::state::App;

/// Characters of each side of the conversation that the model sees.
const SEEN_MAX: usize = 200;

/// A title, asked for in the background class unless its headers say otherwise: whatever else waits for the model goes first.
pub(crate) async fn generate(State(app): State<Arc<App>>, request: axum::extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let caller = match Caller::of(&head) {
        Ok(caller) => caller,
        Err(error) => return error.into_detail(),
    };
    let body = match app.bodies.read(body, &app.limits, any_json).await {
        Ok(body) => body,
        Err(error) => return error.into_detail(),
    };
    if !body.is_object() {
        let problem = json!([{"type": "dict_type", "loc": ["body"], "msg": "must be an object"}]);
        return ApiError::Fields(problem).into_detail();
    }
    let message = body["message"].as_str().unwrap_or_default();
    let answer = ask(&app, &caller, message, &body["response"]).await;
    let title = answer.map_or_else(|| of_message(message), |answer| title(&answer, message));
    Json(json!({"title": title})).into_response()
}

/// What a model says; `None` where none says anything.
async fn ask(app: &App, caller: &Caller, message: &str, response: &Value) -> Option<String> {
    let seen = |text: &str| text.chars().take(SEEN_MAX).collect::<String>();
    let wish = format!(
        "Give this conversation a descriptive title of 3 to 6 words. Answer with the title alone, without quotes.\n\n\
         User: {}\nAssistant: {}",
        seen(message),
        seen(response.as_str().unwrap_or_default())
    );
    let sampling = Sampling { temperature: 0.3, seed: hash(caller.id()), ..Sampling::default() };
    let mut generation = app
        .service
        .submit(Request {
            id: caller.id().to_owned(),
            client: caller.client(),
            model: Tier::Fast.as_str().to_owned(),
            class: caller.class_or(Class::Background),
            prompt: Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, wish)])),
            options: GenerateOptions { sampling, ..GenerateOptions::default() },
            max_tokens: Some(30),
            queue_timeout: caller.queue_timeout(),
        })
        .ok()?;
    generation.started().await.ok()?;
    let mut text = String::new();
    loop {
        match generation.next().await? {
            Progress::Token(token) => text.push_str(&token.text),
            Progress::Completed(_) => return Some(text),
            Progress::Failed(_) => return None,
        }
    }
}
