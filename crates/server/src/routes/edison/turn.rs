//! One turn of a conversation: every call of a model that it takes, each through the service and so under its model's lock.

use std::sync::Arc;

use backend::{Chat, ChatMessage, GenerateOptions, Prompt, PromptError, Role, Sampling};
use serde_json::{Value, json};
use serving::{Class, Progress, Refusal, Request, Tier};
use tokio::sync::mpsc;

use super::body::Ask;
use crate::edison::router::{Mode, Route, route};
use crate::edison::steps::steps;
use crate::error::ApiError;
use crate::routes::chat::hash;
use crate::state::App;

/// Said before an answer to a message whose pictures no model saw: nobody may take it for one that did.
const NOT_SEEN: &str = "The picture was not looked at: this server cannot show pictures to a model yet.";

/// What a turn tells on its way.
#[derive(Debug)]
pub(super) enum Event {
    /// The first call has its place in a queue. Comes again with each further call.
    Begun,
    /// The steps of the work.
    Plan(Vec<String>),
    /// More of the answer.
    Token(String),
    /// The last one: the answer as EDISON's clients read it.
    Done(Value),
    /// The last one: it was cancelled.
    Cancelled,
    /// The last one: there is no answer.
    Failed(ApiError),
}

/// A turn that is to be answered.
pub(super) struct Turn {
    pub(super) app: Arc<App>,
    pub(super) id: String,
    pub(super) client: Option<String>,
    pub(super) ask: Ask,
}

/// One call of a model.
struct Call {
    tier: Tier,
    messages: Vec<ChatMessage>,
    sampling: Sampling,
    max_tokens: u32,
}

/// What a model said.
struct Said {
    text: String,
    model: String,
}

impl Turn {
    /// Answers, and can be cancelled from the first moment by its id. The last event is one of the three that say so.
    ///
    /// # Cancel safety
    /// Dropping the future is how a client leaves.
    pub(super) async fn run(self, events: mpsc::Sender<Event>) {
        let entry = self.app.active.enter(&self.id);
        let last = tokio::select! {
            biased;
            () = entry.cancelled() => Event::Cancelled,
            answer = self.answer(&events) => answer.map_or_else(Event::Failed, Event::Done),
        };
        // First out of the table: who reads the end finds the chat gone.
        drop(entry);
        // A client that has left needs no end.
        let _ = events.send(last).await;
    }

    async fn answer(&self, events: &mpsc::Sender<Event>) -> Result<Value, ApiError> {
        let ask = &self.ask;
        let routed = route(&ask.message, ask.mode, ask.has_images);
        tracing::info!(mode = routed.mode.as_str(), tier = routed.tier.as_str(), rule = routed.rule, "routed");
        if ask.has_images && self.app.service.tiers().iter().all(|(tier, _)| *tier != Tier::Vision) {
            return Err(ApiError::NoVision);
        }
        let steps = if routed.mode == Mode::Work { self.plan(routed, events).await? } else { Vec::new() };
        let (mut history, message) = (self.history(), ChatMessage::new(Role::User, &ask.message));
        let had = history.len();
        let said = loop {
            let system = ChatMessage::new(Role::System, system(routed.mode, &ask.context, &steps));
            let messages = [&[system], &history[..], std::slice::from_ref(&message)].concat();
            let max_tokens = if routed.mode == Mode::Work { 3072 } else { 2048 };
            let call = Call { tier: routed.tier, messages, sampling: answering(), max_tokens };
            match self.call(call, "", events, true).await {
                Err(ApiError::Refused(Refusal::Prompt(PromptError::TooLong { tokens, context_len })))
                    if !history.is_empty() =>
                {
                    drop_oldest(&mut history, tokens, context_len);
                }
                said => break said?,
            }
        };
        Ok(self.reply(routed, said, &steps, had - history.len()))
    }

    /// The turns before this one. Some clients send the message itself as the last of them.
    fn history(&self) -> Vec<ChatMessage> {
        let mut history = self.ask.history.clone();
        if history.last().is_some_and(|last| last.role == Role::User && last.content == self.ask.message) {
            history.pop();
        }
        history
    }

    /// The steps that a model thinks the work takes.
    async fn plan(&self, routed: Route, events: &mpsc::Sender<Event>) -> Result<Vec<String>, ApiError> {
        let wish = "Plan the task. Answer with a short numbered list of 3 to 7 clear steps, and nothing else.";
        let messages = vec![ChatMessage::new(Role::System, wish), ChatMessage::new(Role::User, &self.ask.message)];
        let sampling = Sampling { temperature: 0.3, ..Sampling::default() };
        let call = Call { tier: routed.tier, messages, sampling, max_tokens: 400 };
        let steps = steps(&self.call(call, "#plan", events, false).await?.text);
        if !steps.is_empty() {
            let _left = events.send(Event::Plan(steps.clone())).await;
        }
        Ok(steps)
    }

    async fn call(
        &self,
        call: Call,
        suffix: &str,
        events: &mpsc::Sender<Event>,
        is_told: bool,
    ) -> Result<Said, ApiError> {
        let sampling = Sampling { seed: hash(&self.id), ..call.sampling };
        let mut generation = self.app.service.submit(Request {
            id: format!("{}{suffix}", self.id),
            client: self.client.clone(),
            model: call.tier.as_str().to_owned(),
            class: Class::Interactive,
            prompt: Prompt::Chat(Chat::new(call.messages)),
            options: GenerateOptions { sampling, ..GenerateOptions::default() },
            max_tokens: Some(call.max_tokens),
            queue_timeout: None,
        })?;
        let _left = events.send(Event::Begun).await;
        let model = generation.started().await?.model;
        if is_told && self.ask.has_images {
            let _left = events.send(Event::Token(format!("[{NOT_SEEN}]\n\n"))).await;
        }
        let mut text = String::new();
        loop {
            match generation.next().await {
                Some(Progress::Token(token)) => {
                    text.push_str(&token.text);
                    if is_told && !token.text.is_empty() {
                        let _left = events.send(Event::Token(token.text)).await;
                    }
                }
                Some(Progress::Completed(_)) => return Ok(Said { text, model }),
                Some(Progress::Failed(failure)) => return Err(ApiError::Failed(failure)),
                None => return Err(ApiError::Failed(serving::Failure::ShuttingDown)),
            }
        }
    }

    fn reply(&self, routed: Route, said: Said, steps: &[String], turns_dropped: usize) -> Value {
        let vision_error = self.ask.has_images.then_some(NOT_SEEN);
        let text = said.text.trim();
        let response = vision_error.map_or_else(|| text.to_owned(), |why| format!("[{why}]\n\n{text}"));
        let n_chunks = self.ask.context.len();
        json!({
            "response": response,
            "mode_used": routed.mode.as_str(),
            "model_used": self.tier_of(routed.tier, said.model),
            "work_steps": (!steps.is_empty()).then_some(steps),
            "context_used": (n_chunks > 0).then_some(n_chunks),
            "search_results_count": null,
            "turns_dropped": turns_dropped,
            "vision_error": vision_error,
        })
    }

    /// The tier that really answered, the one that was asked where it is among those that mean the model.
    fn tier_of(&self, asked: Tier, model: String) -> String {
        let tiers = self.app.service.tiers();
        let mut means = tiers.iter().filter(|(_, id)| *id == model).map(|(tier, _)| *tier);
        let first = means.clone().next();
        means.find(|tier| *tier == asked).or(first).map_or(model, |tier| tier.as_str().to_owned())
    }
}

/// Drops at least one turn, and otherwise as many as hold half of what is too much: a long history is fitted in a few
/// goes, and never by more than it must.
fn drop_oldest(history: &mut Vec<ChatMessage>, tokens: u32, context_len: u32) {
    let bytes: usize = history.iter().map(|turn| turn.content.len()).sum();
    let excess = f64::from(tokens.saturating_sub(context_len)) / f64::from(tokens.max(1));
    let mut due = bytes as f64 * excess / 2.0;
    let mut n_dropped = 0;
    while n_dropped < history.len() && (n_dropped == 0 || due > 0.0) {
        due -= history[n_dropped].content.len() as f64;
        n_dropped += 1;
    }
    history.drain(..n_dropped);
}

fn answering() -> Sampling {
    Sampling {
        temperature: 0.7,
        top_p: 0.9,
        frequency_penalty: 0.3,
        presence_penalty: 0.2,
        repeat_penalty: 1.1,
        ..Sampling::default()
    }
}

/// What the model is told before the conversation.
fn system(mode: Mode, context: &[String], steps: &[String]) -> String {
    let tail = match mode {
        Mode::Chat => "Be conversational.",
        Mode::Reasoning => "Think step by step.",
        Mode::Agent => "Give detailed and accurate answers.",
        Mode::Code => "Write complete, working code and explain it.",
        Mode::Work => "Work through the task thoroughly, step by step.",
        Mode::Image => "You cannot see the picture that came with the message. Say so, and do not guess what it shows.",
    };
    let mut text = format!("You are EDISON, a helpful assistant. Mind what was said before. {tail}");
    if !context.is_empty() {
        text += "\n\nWhat follows may help; rely on it where it fits, and invent nothing:";
        context.iter().for_each(|chunk| text += &format!("\n- {chunk}"));
    }
    if !steps.is_empty() {
        text += "\n\nTask plan, to be followed step by step:";
        steps.iter().enumerate().for_each(|(at, step)| text += &format!("\n{}. {step}", at + 1));
    }
    text
}
