//! What is answered, from its bytes to the rules that play it.

use backend_mock::{FaultScript, ReplyScript, Rule, Time};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;
use tokio::time::Instant;

use super::face::Face;
use super::heard::Heard;
use super::question::Question;
use super::{edison, embeddings, messages, openai, rerank, responses};

/// An answer on its way to the client.
#[derive(Debug)]
pub(super) struct Answer {
    question: Question,
    status: u16,
    retry_after: Option<Time>,
    asked: Instant,
    is_stream: bool,
    /// Bytes that are not a whole line yet; all of them where the answer comes in one piece.
    unread: Vec<u8>,
    /// The name of the event whose data comes next, where events have names.
    name: String,
    heard: Heard,
    told: edison::Told,
    blocks: messages::Blocks,
}

/// What is kept of an exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The model that the script needs.
    pub(super) model: String,
    /// For each choice, or each vector or score; behind them for the call that planned it, where there was one.
    pub(super) rules: Vec<Rule>,
}

impl Answer {
    /// An answer of which the head has come.
    pub(super) fn new(question: Question, status: u16, headers: &HeaderMap, asked: Instant) -> Self {
        let is_stream = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let heard = Heard::new(asked, is_stream, question.echoes.clone());
        Self {
            question,
            status,
            retry_after: retry_after(headers),
            asked,
            is_stream,
            unread: Vec::new(),
            name: String::new(),
            heard,
            told: edison::Told::default(),
            blocks: messages::Blocks::default(),
        }
    }

    /// More of it came just now.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.unread.extend_from_slice(data);
        if !self.is_stream {
            return;
        }
        while let Some(end) = memchr::memchr(b'\n', &self.unread) {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line));
        }
    }

    fn line(&mut self, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            self.name.clear();
        } else if let Some(name) = line.strip_prefix("event:") {
            name.trim().clone_into(&mut self.name);
        } else if let Some(data) = line.strip_prefix("data:") {
            match (data.trim(), serde_json::from_str::<Value>(data)) {
                ("[DONE]", _) => self.heard.complete(),
                (_, Ok(event)) => self.event(&event),
                (_, Err(_)) => {}
            }
        }
    }

    fn event(&mut self, event: &Value) {
        let heard = &mut self.heard;
        match self.question.face {
            Face::Chat => openai::chat_chunk(heard, event),
            Face::Completions => openai::completion(heard, event),
            Face::Messages => self.blocks.event(heard, event),
            Face::Responses => responses::event(heard, event),
            Face::Edison => self.told.event(heard, &self.name, event),
            // Never come as a stream.
            Face::Embeddings | Face::Rerank => {}
        }
    }

    fn whole(&mut self, body: &Value) {
        let heard = &mut self.heard;
        match self.question.face {
            Face::Chat => openai::chat(heard, body),
            Face::Completions => openai::completion(heard, body),
            Face::Messages => messages::whole(heard, body),
            Face::Responses => responses::whole(heard, body),
            Face::Edison => self.told.whole(heard, body),
            // Read at once, see `rules`.
            Face::Embeddings | Face::Rerank => {}
        }
        heard.complete();
    }

    /// What plays it.
    ///
    /// # Errors
    /// Why it cannot be played.
    pub(super) fn finish(mut self) -> Result<Exchange, String> {
        let mut rules = if self.status >= 400 { self.each(self.refusals()) } else { self.rules()? };
        rules.extend(self.told.plan().map(|plan| Rule::new(self.question.of_plan(), plan)));
        let model = self.question.model.or_else(|| self.told.model()).unwrap_or_default();
        Ok(Exchange { model, rules })
    }

    /// A status instead of an answer, for each choice: they are asked for one by one.
    fn refusals(&self) -> Vec<ReplyScript> {
        let fault = FaultScript { status: Some(self.status), retry_after: self.retry_after, ..FaultScript::default() };
        self.question.whens.iter().map(|_| ReplyScript { fault: fault.clone(), ..ReplyScript::default() }).collect()
    }

    /// A rule for each choice, or each vector or score.
    fn each(&self, replies: Vec<ReplyScript>) -> Vec<Rule> {
        self.question.whens.iter().cloned().zip(replies).map(|(when, reply)| Rule::new(when, reply)).collect()
    }

    fn rules(&mut self) -> Result<Vec<Rule>, String> {
        let n = self.question.whens.len();
        let took = Time(self.asked.elapsed());
        if !self.is_stream {
            let body: Value =
                serde_json::from_slice(&self.unread).map_err(|error| format!("it is no JSON: {error}"))?;
            match self.question.face {
                Face::Embeddings => return Ok(self.each(embeddings::replies(&body, n, took)?)),
                Face::Rerank => return rerank::rules(&body, &self.question.whens, self.question.top_n, took),
                Face::Chat | Face::Completions | Face::Messages | Face::Responses | Face::Edison => self.whole(&body),
            }
        }
        self.told.objection()?;
        let heard = std::mem::replace(&mut self.heard, Heard::new(self.asked, false, Vec::new()));
        Ok(self.each(heard.replies(n, self.question.per_prompt)?))
    }
}

/// When to try again, as the answer says.
fn retry_after(headers: &HeaderMap) -> Option<Time> {
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let millis = number("retry-after-ms");
    millis.or_else(|| number(RETRY_AFTER.as_str()).map(|seconds| seconds.saturating_mul(1000))).map(Time::ms)
}
