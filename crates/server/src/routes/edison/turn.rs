//! One turn of a conversation: every call of a model that it takes, each through the service and so under its model's lock.

use std::sync::Arc;

use backend::{Chat, ChatMessage, GenerateOptions, PlacedImage, Prompt, PromptError, Role, Sampling};
use serde_json::{Value, json};
use serving::{Class, Failure, Feature, Progress, Refusal, Request, Tier};
use tokio::sync::mpsc;

use super::body::Ask;
use crate::edison::instructions::{answering, looking, system};
use crate::edison::memory::drop_oldest;
use crate::edison::router::{Mode, Route, route};
use crate::edison::steps::steps;
use crate::error::{ApiError, message};
use crate::routes::chat::hash;
use crate::state::App;

/// Said before an answer to a message whose pictures no model saw, with the reason: nobody may take it for one that did.
fn not_seen(why: &ApiError) -> String {
    format!("The picture was not looked at: {}.", message(why).trim_end_matches('.'))
}

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
struct Call<'a> {
    tier: Tier,
    messages: Vec<ChatMessage>,
    sampling: Sampling,
    max_tokens: u32,
    /// Makes its request's id another one than the turn's.
    suffix: &'static str,
    telling: Telling<'a>,
}

/// Whether the client is told what the model says while it says it.
enum Telling<'a> {
    Silent,
    /// It is, and before it what stands here.
    After(Option<&'a str>),
}

/// Why a call ended without an answer.
struct Unanswered {
    why: ApiError,
    /// Nothing of it was told, so that another call can take its place.
    is_unheard: bool,
}

impl Unanswered {
    fn early(why: impl Into<ApiError>) -> Self {
        Self { why: why.into(), is_unheard: true }
    }

    /// The model cannot look at these pictures, or broke when it did. Words alone may still be answered.
    fn is_for_want_of_eyes(&self) -> bool {
        let of_the_eyes = matches!(
            self.why,
            ApiError::Refused(Refusal::Unsupported { feature: Feature::Vision, .. })
                | ApiError::Refused(Refusal::Prompt(PromptError::Picture { .. }))
                | ApiError::Refused(Refusal::Backend { .. })
                | ApiError::Failed(Failure::Backend { .. })
        );
        of_the_eyes && self.is_unheard
    }
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
        let routed = route(&ask.message, ask.mode, self.has_images());
        tracing::info!(mode = routed.mode.as_str(), tier = routed.tier.as_str(), rule = routed.rule, "routed");
        if self.has_images() && self.app.service.tiers().iter().all(|(tier, _)| *tier != Tier::Vision) {
            return Err(ApiError::NoVision);
        }
        let steps = if routed.mode == Mode::Work { self.plan(routed, events).await? } else { Vec::new() };
        let mut history = self.history();
        let had = history.len();
        let mut blind = None;
        let said = loop {
            let call = self.main_call(routed, &history, &steps, blind.as_deref());
            match self.call(call, events).await {
                Err(Unanswered {
                    why: ApiError::Refused(Refusal::Prompt(PromptError::TooLong { tokens, context_len })),
                    ..
                }) if !history.is_empty() => drop_oldest(&mut history, tokens, context_len),
                Err(unanswered) if self.has_images() && blind.is_none() && unanswered.is_for_want_of_eyes() => {
                    blind = Some(not_seen(&unanswered.why));
                }
                said => break said.map_err(|unanswered| unanswered.why)?,
            }
        };
        Ok(self.reply(routed, said, &steps, had - history.len(), blind))
    }

    fn has_images(&self) -> bool {
        !self.ask.images.is_empty()
    }

    /// The call whose answer is the turn's. `blind` says why its model does not see the pictures.
    fn main_call<'a>(
        &self,
        routed: Route,
        history: &[ChatMessage],
        steps: &[String],
        blind: Option<&'a str>,
    ) -> Call<'a> {
        let sees = self.has_images() && blind.is_none();
        let system = ChatMessage::new(Role::System, system(routed.mode, sees, &self.ask.context, steps));
        let mut message = ChatMessage::new(Role::User, &self.ask.message);
        if sees {
            // Before the words: models are trained on pictures first, and then the question.
            message.images = self.ask.images.iter().map(|image| PlacedImage { at: 0, image: image.clone() }).collect();
        }
        Call {
            tier: routed.tier,
            messages: [&[system], history, &[message]].concat(),
            sampling: if sees { looking() } else { answering() },
            max_tokens: if routed.mode == Mode::Work { 3072 } else { 2048 },
            suffix: if blind.is_some() { "#blind" } else { "" },
            telling: Telling::After(blind),
        }
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
        let call =
            Call { tier: routed.tier, messages, sampling, max_tokens: 400, suffix: "#plan", telling: Telling::Silent };
        let said = self.call(call, events).await.map_err(|unanswered| unanswered.why)?;
        let steps = steps(&said.text);
        if !steps.is_empty() {
            let _left = events.send(Event::Plan(steps.clone())).await;
        }
        Ok(steps)
    }

    async fn call(&self, call: Call<'_>, events: &mpsc::Sender<Event>) -> Result<Said, Unanswered> {
        let sampling = Sampling { seed: hash(&self.id), ..call.sampling };
        let request = Request {
            id: format!("{}{}", self.id, call.suffix),
            client: self.client.clone(),
            model: call.tier.as_str().to_owned(),
            class: Class::Interactive,
            prompt: Prompt::Chat(Chat::new(call.messages)),
            options: GenerateOptions { sampling, ..GenerateOptions::default() },
            max_tokens: Some(call.max_tokens),
            queue_timeout: None,
        };
        let mut generation = self.app.service.submit(request).map_err(Unanswered::early)?;
        let _left = events.send(Event::Begun).await;
        let model = generation.started().await.map_err(Unanswered::early)?.model;
        let (is_told, mut before) = match call.telling {
            Telling::Silent => (false, None),
            Telling::After(before) => (true, before),
        };
        let mut text = String::new();
        loop {
            let why = match generation.next().await {
                Some(Progress::Token(token)) => {
                    text.push_str(&token.text);
                    if is_told && !token.text.is_empty() {
                        let mark = before.take().map(|before| format!("[{before}]\n\n")).unwrap_or_default();
                        let _left = events.send(Event::Token(mark + &token.text)).await;
                    }
                    continue;
                }
                Some(Progress::Completed(_)) => return Ok(Said { text, model }),
                Some(Progress::Failed(failure)) => failure,
                None => Failure::ShuttingDown,
            };
            return Err(Unanswered { why: ApiError::Failed(why), is_unheard: text.is_empty() });
        }
    }

    fn reply(&self, routed: Route, said: Said, steps: &[String], turns_dropped: usize, blind: Option<String>) -> Value {
        let text = said.text.trim();
        let response = blind.as_ref().map_or_else(|| text.to_owned(), |why| format!("[{why}]\n\n{text}"));
        let n_chunks = self.ask.context.len();
        json!({
            "response": response,
            "mode_used": routed.mode.as_str(),
            "model_used": self.tier_of(routed.tier, said.model),
            "work_steps": (!steps.is_empty()).then_some(steps),
            "context_used": (n_chunks > 0).then_some(n_chunks),
            "search_results_count": null,
            "turns_dropped": turns_dropped,
            "vision_error": blind,
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
