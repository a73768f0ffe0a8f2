//! What an answer says, put together as it comes, with its times. What the faces have in common.

use backend_mock::{Call, FaultScript, FinishName, Piece, ReplyScript, Time, UsageScript};
use serde_json::{Map, Value};
use tokio::time::Instant;

/// Choices, and calls of one choice, at most: indices are the other server's, and each takes room.
const INDEX_MAX: usize = 255;

/// What was heard of one answer.
#[derive(Debug)]
pub(super) struct Heard {
    /// When the latest thing was said; at first, when it was asked.
    latest: Instant,
    /// Whether it comes piece by piece.
    in_pieces: bool,
    /// Whether anything was said.
    has_begun: bool,
    parts: Vec<Part>,
    /// What the whole answer cost.
    usage: UsageScript,
    /// Whether its last event has come.
    is_complete: bool,
    /// Whether it ended with an error.
    has_failed: bool,
}

/// What was heard of one choice.
#[derive(Debug, Default)]
struct Part {
    reply: ReplyScript,
    calls: Vec<Called>,
    /// Begun: what comes now takes its own time, and not that of the prompt.
    has_begun: bool,
    is_complete: bool,
    /// What is still to come of the prompt, which the client hears first.
    echo: String,
}

#[derive(Debug, Default)]
struct Called {
    call: Call,
    /// All of its arguments.
    arguments: String,
}

impl Heard {
    /// Nothing yet of an answer that was asked for then.
    pub(super) fn new(asked: Instant, in_pieces: bool, echoes: Vec<String>) -> Self {
        let parts = echoes.into_iter().map(|echo| Part { echo, ..Part::default() }).collect();
        let usage = UsageScript::default();
        Self { latest: asked, in_pieces, has_begun: false, parts, usage, is_complete: false, has_failed: false }
    }

    /// A thought.
    pub(super) fn thought(&mut self, index: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        let time = self.lap(index);
        let Some(part) = self.part(index) else { return };
        match time {
            Some(time) => part.reply.reasoning_pieces.push(Piece(time, text.to_owned())),
            None => *part.reply.reasoning.get_or_insert_default() += text,
        }
    }

    /// More of the text.
    pub(super) fn text(&mut self, index: usize, text: &str) {
        let Some(part) = self.part(index) else { return };
        let text = part.without_echo(text);
        if text.is_empty() {
            return;
        }
        let text = text.to_owned();
        let time = self.lap(index).unwrap_or_default();
        // In one piece, too: as one token it fits every bound on tokens, whatever its length.
        if let Some(part) = self.part(index) {
            part.reply.pieces.push(Piece(time, text));
        }
    }

    /// The head of the call with this number in its choice, or more of it. Its time counts with that of its arguments.
    pub(super) fn call(&mut self, index: usize, number: usize, id: Option<&str>, name: &str) {
        let Some(called) = self.part(index).and_then(|part| part.called(number)) else { return };
        called.call.id = id.map(str::to_owned).or(called.call.id.take());
        called.call.name += name;
    }

    /// More of the arguments of a call.
    pub(super) fn arguments(&mut self, index: usize, number: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        let time = self.lap(index);
        let Some(called) = self.part(index).and_then(|part| part.called(number)) else { return };
        called.arguments += text;
        if let Some(time) = time {
            called.call.pieces.push(Piece(time, text.to_owned()));
        }
    }

    /// Whether a choice has called anything.
    pub(super) fn calls(&self, index: usize) -> bool {
        self.parts.get(index).is_some_and(|part| !part.calls.is_empty())
    }

    /// A choice is complete, and this is why.
    pub(super) fn finished(&mut self, index: usize, finish: FinishName) {
        self.lap(index);
        if let Some(part) = self.part(index) {
            part.reply.finish = Some(finish);
            part.is_complete = true;
        }
    }

    /// What it cost. What is told later counts.
    pub(super) fn usage(&mut self, prompt: &Value, cached: &Value, completion: &Value) {
        let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
        self.usage = UsageScript {
            prompt_tokens: number(prompt).or(self.usage.prompt_tokens),
            cached_tokens: number(cached).or(self.usage.cached_tokens),
            completion_tokens: number(completion).or(self.usage.completion_tokens),
            ..self.usage
        };
    }

    /// The last event has come.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// It ends with an error.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
    }

    /// The replies that play it: one for each choice, of which there are `n`, `per_prompt` to each prompt.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn replies(mut self, n: usize, per_prompt: usize) -> Result<Vec<ReplyScript>, String> {
        self.parts.resize_with(n.max(self.parts.len()), Part::default);
        let is_whole = self.is_complete || self.parts.iter().all(|part| part.is_complete);
        if !is_whole && !self.has_failed {
            return Err("it has no end".to_owned());
        }
        if self.parts.len() > n {
            return Err(format!("it has {} choices of {n}", self.parts.len()));
        }
        let (usage, prompts) = (self.usage, n.div_ceil(per_prompt.max(1)));
        let replies = self.parts.into_iter().enumerate().map(|(index, part)| {
            let prompt = index / per_prompt.max(1);
            let usage = UsageScript {
                // Each prompt counts once, for the first of its choices; the others are told the same.
                prompt_tokens: usage.prompt_tokens.map(|all| share(all, prompts, prompt)),
                cached_tokens: usage.cached_tokens.map(|all| share(all, prompts, prompt)),
                completion_tokens: usage.completion_tokens.map(|all| share(all, n, index)),
                // Never read: they are told beside the usage, and not by every server.
                drafted_tokens: None,
                accepted_tokens: None,
            };
            part.reply(usage, self.has_failed)
        });
        Ok(replies.collect())
    }

    /// How long what is said now has taken; `None` where the answer comes in one piece. The first thing that a choice says
    /// is what its prompt takes.
    fn lap(&mut self, index: usize) -> Option<Time> {
        let in_pieces = self.in_pieces;
        let now = Instant::now();
        let time = Time(now - std::mem::replace(&mut self.latest, now));
        // Choices that come in one piece have come together.
        let takes_time = in_pieces || !std::mem::replace(&mut self.has_begun, true);
        let part = self.part(index)?;
        if std::mem::replace(&mut part.has_begun, true) {
            return in_pieces.then_some(time);
        }
        part.reply.prefill = takes_time.then_some(time);
        in_pieces.then(Time::default)
    }

    fn part(&mut self, index: usize) -> Option<&mut Part> {
        if index > INDEX_MAX {
            return None;
        }
        if self.parts.len() <= index {
            self.parts.resize_with(index + 1, Part::default);
        }
        self.parts.get_mut(index)
    }
}

impl Part {
    fn called(&mut self, number: usize) -> Option<&mut Called> {
        if number > INDEX_MAX {
            return None;
        }
        if self.calls.len() <= number {
            self.calls.resize_with(number + 1, Called::default);
        }
        self.calls.get_mut(number)
    }

    /// What of this is not the prompt once more.
    fn without_echo<'a>(&mut self, text: &'a str) -> &'a str {
        if let Some(rest) = text.strip_prefix(self.echo.as_str()) {
            self.echo.clear();
            return rest;
        }
        match self.echo.strip_prefix(text) {
            Some(rest) => {
                self.echo = rest.to_owned();
                ""
            }
            None => text,
        }
    }

    fn reply(self, usage: UsageScript, has_failed: bool) -> ReplyScript {
        let Self { mut reply, calls, is_complete, .. } = self;
        // Some servers number calls among other things: what is not among these has no name.
        let calls = calls.into_iter().filter(|called| !called.call.name.is_empty());
        reply.tool_calls = calls.map(Called::script).collect();
        reply.usage = usage;
        if has_failed && !is_complete {
            let calls = reply.tool_calls.iter().map(|call| 1 + call.pieces.len());
            let tokens = reply.reasoning_pieces.len() + reply.pieces.len() + calls.sum::<usize>();
            let tokens = u32::try_from(tokens).ok().filter(|tokens| *tokens > 0);
            reply.fault = FaultScript { fail: tokens.is_none(), fail_after: tokens, ..FaultScript::default() };
            reply.usage = UsageScript::default();
        }
        let thinks = reply.reasoning.is_some() || !reply.reasoning_pieces.is_empty();
        if reply.pieces.is_empty() && reply.tool_calls.is_empty() && !thinks && reply.fault.is_empty() {
            reply.text = Some(String::new());
        }
        reply
    }
}

impl Called {
    fn script(self) -> Call {
        let Self { call, arguments } = self;
        if !call.pieces.is_empty() {
            return call;
        }
        let read = serde_json::from_str::<Map<String, Value>>(&arguments).ok();
        // Written as people would, if that is the same text.
        let same = read.filter(|object| serde_json::to_string(object).is_ok_and(|text| text == arguments));
        match same {
            Some(object) => Call { arguments: Some(object), ..call },
            None => Call { pieces: vec![Piece(Time::default(), arguments)], ..call },
        }
    }
}

/// The share of one of `n`, so that all of them together are the whole: the first ones get what is left over.
pub(super) fn share(all: u32, n: usize, index: usize) -> u32 {
    let n = u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    all / n + u32::from(u32::try_from(index).unwrap_or(u32::MAX) < all % n)
}
