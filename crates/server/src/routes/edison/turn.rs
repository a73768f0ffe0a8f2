//! One turn of a conversation: every call of a model that it takes, each through the service and so under its model's lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backend::{Chat, ChatMessage, GenerateOptions, PlacedImage, Prompt, PromptError, Role, Sampling};
use serving::{Class, Completed, Failure, Feature, Progress, Refusal, Request, Shorten, Started, Tier};
use tokio::sync::mpsc;

use super::body::Ask;
use super::reply::{Answer, Done};
use super::teller::Teller;
use crate::edison::instructions::{answering, looking, planning, system};
use crate::edison::memory::make_room;
use crate::edison::router::{Mode, Route, route};
use crate::edison::steps::steps;
use crate::error::{ApiError, message};
use crate::routes::chat::{Caller, hash};
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
    /// There is nothing to tell yet, but where the call is.
    Waiting(String),
    /// The steps of the work.
    Plan(Vec<String>),
    /// More of the answer.
    Token(String),
    /// The last one: the answer as EDISON's clients read it.
    Done(Box<Done>),
    /// The last one: it was cancelled.
    Cancelled,
    /// The last one: there is no answer.
    Failed(ApiError),
}

/// A turn that is to be answered.
pub(super) struct Turn {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    /// How long nothing may be told.
    pub(super) keep_alive: Option<Duration>,
    pub(super) ask: Ask,
}

/// One call of a model.
struct Call<'a> {
    /// A tier's name, or that of a model.
    model: &'a str,
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
pub(super) struct Said {
    pub(super) text: String,
    pub(super) started: Started,
    pub(super) completed: Completed,
    /// Turns of the history that were left out.
    pub(super) turns_dropped: usize,
}

impl Turn {
    /// Answers, and can be cancelled from the first moment by its id. The last event is one of the three that say so.
    ///
    /// # Cancel safety
    /// Dropping the future is how a client leaves.
    pub(super) async fn run(self, events: mpsc::Sender<Event>) {
        let entry = self.app.active.enter(self.caller.id());
        let mut teller = Teller::new(events, self.keep_alive);
        let last = tokio::select! {
            biased;
            () = entry.cancelled() => Event::Cancelled,
            answer = self.answer(&mut teller) => answer.map_or_else(Event::Failed, |done| Event::Done(Box::new(done))),
        };
        // First out of the table: who reads the end finds the chat gone.
        drop(entry);
        teller.tell(last).await;
    }

    async fn answer(&self, teller: &mut Teller) -> Result<Done, ApiError> {
        let ask = &self.ask;
        let has_tier = |wanted| self.app.service.tiers().iter().any(|(tier, _)| *tier == wanted);
        let routed = route(&ask.message, ask.wish, self.has_images(), has_tier(Tier::Medium));
        tracing::info!(mode = routed.mode.as_str(), tier = routed.tier.as_str(), rule = routed.rule, "routed");
        if self.has_images() && !has_tier(Tier::Vision) {
            return Err(ApiError::NoVision);
        }
        let plan = if routed.mode == Mode::Work { Some(self.plan(routed, teller).await?) } else { None };
        let steps = plan.as_ref().map_or_else(Vec::new, |plan| steps(&plan.text));
        if !steps.is_empty() {
            teller.tell(Event::Plan(steps.clone())).await;
        }
        let mut blind = None;
        let said = loop {
            let call = self.main_call(routed, &steps, blind.as_deref());
            match self.call(call, teller).await {
                Err(unanswered) if self.has_images() && blind.is_none() && unanswered.is_for_want_of_eyes() => {
                    blind = Some(not_seen(&unanswered.why));
                }
                said => break said.map_err(|unanswered| unanswered.why)?,
            }
        };
        let before = plan.as_ref().map(|plan| &plan.completed);
        let n_chunks = self.ask.context.len();
        let tiers = self.app.service.tiers();
        let selected = self.selected();
        Ok(Answer { routed, selected, said: &said, before, steps, blind, n_chunks }.told(&tiers))
    }

    fn has_images(&self) -> bool {
        !self.ask.images.is_empty()
    }

    /// The model that the person chose. One that was chosen for words has not to do with pictures.
    fn selected(&self) -> Option<&str> {
        self.ask.selected.as_deref().filter(|_| !self.has_images())
    }

    fn model(&self, routed: Route) -> &str {
        self.selected().unwrap_or(routed.tier.as_str())
    }

    /// The call whose answer is the turn's. `blind` says why its model does not see the pictures.
    fn main_call<'a>(&'a self, routed: Route, steps: &[String], blind: Option<&'a str>) -> Call<'a> {
        let sees = self.has_images() && blind.is_none();
        let system = ChatMessage::new(Role::System, system(routed.mode, sees, &self.ask.context, steps));
        let mut message = ChatMessage::new(Role::User, &self.ask.message);
        if sees {
            // Before the words: models are trained on pictures first, and then the question.
            message.images = self.ask.images.iter().map(|image| PlacedImage { at: 0, image: image.clone() }).collect();
        }
        Call {
            model: self.model(routed),
            messages: [&[system], self.ask.earlier(), &[message]].concat(),
            sampling: if sees { looking() } else { answering() },
            max_tokens: if routed.mode == Mode::Work { 3072 } else { 2048 },
            suffix: if blind.is_some() { "#blind" } else { "" },
            telling: Telling::After(blind),
        }
    }

    /// What a model thinks the work takes.
    async fn plan(&self, routed: Route, teller: &mut Teller) -> Result<Said, ApiError> {
        let messages =
            vec![ChatMessage::new(Role::System, planning()), ChatMessage::new(Role::User, &self.ask.message)];
        let sampling = Sampling { temperature: 0.3, ..Sampling::default() };
        let call = Call {
            model: self.model(routed),
            messages,
            sampling,
            max_tokens: 400,
            suffix: "#plan",
            telling: Telling::Silent,
        };
        self.call(call, teller).await.map_err(|unanswered| unanswered.why)
    }

    async fn call(&self, call: Call<'_>, teller: &mut Teller) -> Result<Said, Unanswered> {
        let sampling = Sampling { seed: hash(self.caller.id()), ..call.sampling };
        let request = Request {
            id: format!("{}{}", self.caller.id(), call.suffix),
            client: self.caller.client(),
            model: call.model.to_owned(),
            class: self.caller.class_or(Class::Interactive),
            prompt: Prompt::Chat(Chat::new(call.messages)),
            options: GenerateOptions { sampling, ..GenerateOptions::default() },
            max_tokens: Some(call.max_tokens),
            queue_timeout: self.caller.queue_timeout(),
        };
        let turns_dropped = Arc::new(AtomicUsize::new(0));
        let shorten = shorten(Arc::clone(&turns_dropped));
        let mut generation = self.app.service.submit_shortened(request, shorten).map_err(Unanswered::early)?;
        teller.tell(Event::Begun).await;
        let started = teller.started(&mut generation).await.map_err(Unanswered::early)?;
        let (is_told, mut before) = match call.telling {
            Telling::Silent => (false, None),
            Telling::After(before) => (true, before),
        };
        let mut text = String::new();
        loop {
            let why = match teller.next(&mut generation).await {
                Some(Progress::Token(token)) => {
                    text.push_str(&token.text);
                    if is_told && !token.text.is_empty() {
                        let mark = before.take().map(|before| format!("[{before}]\n\n")).unwrap_or_default();
                        teller.tell(Event::Token(mark + &token.text)).await;
                    }
                    continue;
                }
                Some(Progress::Completed(completed)) => {
                    let turns_dropped = turns_dropped.load(Ordering::Relaxed);
                    return Ok(Said { text, started, completed, turns_dropped });
                }
                Some(Progress::Failed(failure)) => failure,
                None => Failure::ShuttingDown,
            };
            return Err(Unanswered { why: ApiError::Failed(why), is_unheard: text.is_empty() });
        }
    }
}

/// Leaves out the oldest turns where not all of them fit, and counts them.
fn shorten(n_dropped: Arc<AtomicUsize>) -> Shorten {
    Box::new(move |chat, tokens, context_len| {
        let n = make_room(chat, tokens, context_len);
        n_dropped.fetch_add(n, Ordering::Relaxed);
        n > 0
    })
}
