//! A lane: a handle to an engine.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use backend::{
    Adapter, Embedding, EncodedPrompt, Event, EventStream, GenerateError, GenerateRequest, Lane, LaneBroken, Prompt,
    TokenId,
};
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::chance::hash;
use crate::embedding::{Computed, Embed, Input, Text};
use crate::encoder::check_adapter;
use crate::engine::Engine;
use crate::generation::{EVENTS_AHEAD_MAX, Generation, Pace, Signal};
use crate::journal::{Visit, What};
use crate::reply::Question;
use crate::rules::{Plan, own};
use crate::stage::{Heard, Stage};
use crate::vocabulary::{self, UnknownToken};
use crate::{Fault, ModelScript, UsageScript};

/// What all lanes of a model have in common, whichever load they come from.
pub(crate) struct Model {
    pub(crate) name: Arc<str>,
    pub(crate) script: ModelScript,
    /// Generations so far.
    pub(crate) calls: AtomicU64,
}

/// A handle to an engine.
pub(crate) struct MockLane {
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) index: u32,
    pub(crate) context_len: u32,
    pub(crate) bytes_per_token: usize,
    /// The names of the adapters that the load named.
    pub(crate) adapters: Arc<[String]>,
    pub(crate) stage: Stage,
    /// The request that embeddings are asked for next.
    pub(crate) announced: Option<String>,
    /// The prompt before, where the engine remembers it, and the adapter with which it was computed.
    pub(crate) remembered: (Option<Adapter>, Vec<TokenId>),
    /// Work that may still go on: of one generation, unless somebody did not wait for `quiesce`.
    pub(crate) running: Vec<JoinHandle<()>>,
}

#[async_trait]
impl Lane for MockLane {
    /// Enters the engine in the call itself, not at the first poll, and spawns its work on the current tokio runtime.
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        self.running.retain(|work| !work.is_finished());
        let call = self.model.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let question = vocabulary::question_of(&request.prompt.tokens);
        let asked = question.as_deref().unwrap_or_default();
        let entered = self.engine.enter(self.visit(call), asked);

        let cached_tokens = self.cached(&request);
        let prompt_tokens = request.prompt.tokens.len() as u32;
        let Decided { rule, answer, mut faults, per_token, told } = self.decide(call, question, &request);
        faults.extend(self.model.script.faults.get(&call).copied());
        if let Some(rule) = rule {
            let request = request.options.request_id.clone();
            entered.record(What::Chosen { visit: self.visit(call), request, rule });
        }

        let (signals, receiver) = mpsc::channel(EVENTS_AHEAD_MAX);
        let seed = hash(&[&self.stage.seed().to_le_bytes(), self.model.name.as_bytes(), &call.to_le_bytes()]);
        let pace = Pace::new(&self.model.script, per_token, seed);
        let work = Generation { entered, prompt_tokens, cached_tokens, told, answer, faults, pace, signals, tokens: 0 };
        self.running.push(tokio::spawn(work.run()));
        Box::pin(Events { signals: receiver })
    }

    fn announce(&mut self, request_id: &str) {
        self.announced = Some(request_id.to_owned());
    }

    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        let has = self.model.script.capabilities;
        if !has.embeddings && !has.rerank {
            return Err(GenerateError::Failed { reason: "this model neither embeds nor ranks".into() });
        }
        self.running.retain(|work| !work.is_finished());
        let call = self.model.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let entered = self.engine.enter(self.visit(call), "");
        let (inputs, mut faults) = self.vectors(&inputs);
        faults.extend(self.model.script.faults.get(&call).copied());
        let (result, computed) = oneshot::channel();
        let pace = Pace::new(&self.model.script, None, call);
        let work =
            Embed { entered, inputs, len: self.model.script.embedding_len.max(1) as usize, pace, faults, result };
        self.running.push(tokio::spawn(work.run()));
        match computed.await {
            Ok(Computed::Answer(answer)) => answer,
            Ok(Computed::Panic) => panic!("the script says that this call panics"),
            Err(_) => Err(GenerateError::Failed { reason: "the engine is gone".into() }),
        }
    }

    async fn quiesce(&mut self) {
        while let Some(work) = self.running.last_mut() {
            // A task fails only when its runtime shuts down, and then it does not run either.
            let _ = work.await;
            self.running.pop();
        }
    }

    fn is_broken(&self) -> bool {
        self.engine.is_broken()
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        // After a panic nobody had the chance to wait for this lane's own work.
        self.quiesce().await;
        self.engine.reset(self.visit(0))
    }
}

impl MockLane {
    fn visit(&self, call: u64) -> Visit {
        Visit { model: Arc::clone(&self.model.name), lane: self.index, call }
    }

    /// Tokens at the beginning of the prompt that the engine remembers from the one before.
    fn cached(&mut self, request: &GenerateRequest) -> u32 {
        if !self.model.script.prefix_cache {
            return 0;
        }
        let tokens = &request.prompt.tokens;
        // A picture's token says which one of its prompt it is, not what is in it.
        let is_same = |(a, b): &(&TokenId, &TokenId)| a == b && !vocabulary::is_picture(**a);
        let adapter = request.options.applied_adapter();
        let (computed_with, remembered) = &self.remembered;
        let common = tokens.iter().zip(remembered).take_while(is_same).count();
        let common = if *computed_with == adapter { common } else { 0 };
        self.remembered = (adapter, tokens.clone());
        // The last token is computed anew: what follows it is what was asked for.
        if request.options.cache_prompt { common.min(tokens.len().saturating_sub(1)) as u32 } else { 0 }
    }

    /// What is done about the inputs of a call for embeddings, and what goes wrong.
    fn vectors(&mut self, inputs: &[EncodedPrompt]) -> (Result<Vec<Text>, String>, Vec<Fault>) {
        let said = inputs.iter().map(Input::of).collect::<Result<Vec<_>, _>>();
        // A call counts, and goes wrong, whatever is asked in it.
        let heard = said.as_deref().unwrap_or_default();
        let chosen = self.stage.choose_vectors(&self.model.name, self.announced.take().as_deref(), heard);
        let tokens = inputs.iter().map(|input| input.tokens.len() as u32);
        let text = |((said, tokens), planned)| Text { said, tokens, planned };
        let inputs = said.and_then(|said| Ok(said.into_iter().zip(tokens).zip(chosen.planned?).map(text).collect()));
        (inputs, chosen.faults)
    }

    /// What is answered to a request, or why there can be no answer.
    fn decide(&self, call: u64, question: Result<String, UnknownToken>, request: &GenerateRequest) -> Decided {
        let refused = |reason| Decided {
            rule: None,
            answer: Err(reason),
            faults: Vec::new(),
            per_token: None,
            told: UsageScript::default(),
        };
        let text = match question {
            Ok(text) => text,
            Err(UnknownToken(id)) => return refused(format!("token {id} is not in the vocabulary")),
        };
        if let Err(reason) = check_adapter(&request.options, self.adapters.len()) {
            return refused(reason);
        }
        let prompt_tokens = request.prompt.tokens.len() as u32;
        let room = self.context_len.checked_sub(prompt_tokens).filter(|room| *room > 0 && prompt_tokens > 0);
        let Some(room) = room else {
            return refused(format!("{prompt_tokens} tokens are no prompt for {} of context", self.context_len));
        };
        let tokens_max = request.max_tokens.min(room);
        let chat = if let Prompt::Chat(chat) = &request.prompt.prompt { Some(chat) } else { None };
        let options = &request.options;
        let adapter = options.applied_adapter();
        let adapter = adapter.and_then(|adapter| self.adapters.get(adapter.number as usize)).map(String::as_str);
        let heard = Heard { model: &self.model.name, adapter, text: &text, chat, options, max_tokens: tokens_max };
        let (chosen, test_id, test_call) = self.stage.choose(&heard);
        let reply = || {
            self.model.script.reply.text(&Question {
                model: &self.model.name,
                call,
                text: &text,
                sampling: &options.sampling,
                bytes_max: tokens_max as usize * self.bytes_per_token,
            })
        };
        let plan = match chosen.plan {
            Ok(None) => own(reply, &heard.ask(&test_id, test_call, self.stage.seed())),
            Ok(Some(plan)) => Ok(plan),
            Err(objection) => Err(objection),
        };
        if let Err(objection) = &plan {
            self.stage.object(options.request_id.as_deref(), objection);
        }
        let endless = |plan| endless(plan, tokens_max as usize * self.bytes_per_token);
        let plan = if options.ignore_end { plan.map(endless) } else { plan };
        let mut faults = chosen.faults;
        let prefill = plan.as_ref().ok().and_then(|plan| plan.prefill);
        faults.extend(prefill.map(|time| Fault::SlowPrefill { time }));
        let per_token = plan.as_ref().ok().and_then(|plan| plan.time_per_token);
        let told = plan.as_ref().map(|plan| plan.usage).unwrap_or_default();
        let answer = |plan| Answer::new(plan, self.bytes_per_token, options.stop.clone(), tokens_max, options.logprobs);
        Decided { rule: chosen.rule, answer: plan.map(answer), faults, per_token, told }
    }
}

/// What is to be done about a request.
struct Decided {
    rule: Option<String>,
    answer: Result<Answer, String>,
    faults: Vec<Fault>,
    per_token: Option<std::time::Duration>,
    told: UsageScript,
}

/// The text again and again, up to so many bytes: what a model says that may not end.
fn endless(plan: Plan, bytes_max: usize) -> Plan {
    if plan.text.is_empty() || !plan.calls.is_empty() {
        return plan;
    }
    let n = bytes_max.div_ceil(plan.text.len() + 1);
    let mut text = vec![plan.text.as_str(); n].join(" ");
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text.truncate(end);
    // What it counts as is said of the text as it was.
    Plan { text, usage: UsageScript { completion_tokens: None, ..plan.usage }, ..plan }
}

/// The reading end of a generation. Dropping it asks the engine to stop.
struct Events {
    signals: mpsc::Receiver<Signal>,
}

impl Stream for Events {
    type Item = Result<Event, GenerateError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.signals.poll_recv(cx)) {
            None => Poll::Ready(None),
            Some(Signal::Item(item)) => Poll::Ready(Some(item)),
            Some(Signal::Panic) => panic!("the script says that this call panics"),
        }
    }
}
