//! One exchange with a server that is recorded: what was asked, and what was answered when.

use backend_mock::{Call, FaultScript, FinishName, Piece, ReplyScript, Time, When};
use serde_json::Value;
use tokio::time::Instant;

use super::record::since;

/// What was asked, as far as a rule can match it.
#[derive(Debug, Default)]
pub(super) struct Question {
    when: When,
}

impl Question {
    /// Reads the body of a chat request; `None` where it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let messages = body.get("messages")?.as_array()?;
        let is = |message: &&Value, role: &str| message["role"] == role;
        let users: Vec<&Value> = messages.iter().filter(|message| is(message, "user")).collect();
        let system: Vec<String> = messages
            .iter()
            .filter(|message| is(message, "system") || is(message, "developer"))
            .map(|message| text(&message["content"]))
            .collect();
        let is_result = messages.last().is_some_and(|message| is(&message, "tool"));
        Some(Self {
            when: When {
                model: body["model"].as_str().map(str::to_owned),
                user: users.last().map(|message| text(&message["content"])),
                system: (!system.is_empty()).then(|| system.join("\n")),
                turn: u32::try_from(users.len()).ok(),
                after_tool: is_result.then_some(true),
                result_contains: messages.last().filter(|_| is_result).map(|message| text(&message["content"])),
                ..When::default()
            },
        })
    }

    pub(super) fn when(self) -> When {
        self.when
    }
}

/// What is answered, as it comes.
pub(super) struct Answer {
    status: u16,
    retry_after: Option<u64>,
    asked: Instant,
    /// When the latest piece came.
    latest: Option<Instant>,
    /// Bytes that are not a whole line yet; all of them where the answer comes in one piece.
    unread: Vec<u8>,
    reply: ReplyScript,
    calls: Vec<(Call, String)>,
    is_stream: bool,
}

impl Answer {
    pub(super) fn new(status: u16, retry_after: Option<u64>, asked: Instant) -> Self {
        Self {
            status,
            retry_after,
            asked,
            latest: None,
            unread: Vec::new(),
            reply: ReplyScript::default(),
            calls: Vec::new(),
            is_stream: false,
        }
    }

    /// More of it came just now.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.unread.extend_from_slice(data);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let is_event = self.unread.starts_with(b"data:");
            if !self.is_stream && !is_event {
                // In one piece, with line breaks in it.
                return;
            }
            self.is_stream = true;
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let event = line.strip_prefix(b"data:").and_then(|json| serde_json::from_slice::<Value>(json).ok());
            if let Some(event) = event {
                self.event(&event);
            }
        }
    }

    fn event(&mut self, event: &Value) {
        let choice = &event["choices"][0];
        self.told(&choice["delta"], true);
        self.finished(&choice["finish_reason"]);
    }

    fn told(&mut self, message: &Value, in_pieces: bool) {
        let said = message["content"].as_str().filter(|text| !text.is_empty());
        let thought = message["reasoning_content"].as_str().or_else(|| message["reasoning"].as_str());
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(thought) = thought {
            *self.reply.reasoning.get_or_insert_default() += thought;
        }
        for (index, call) in calls.iter().enumerate() {
            let index = call["index"].as_u64().map_or(index, |index| usize::try_from(index).unwrap_or(0)).min(255);
            self.calls.resize_with(self.calls.len().max(index + 1), Default::default);
            let (known, arguments) = &mut self.calls[index];
            known.id = call["id"].as_str().map(str::to_owned).or(known.id.take());
            known.name += call["function"]["name"].as_str().unwrap_or_default();
            *arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        if said.is_none() && thought.is_none() && calls.is_empty() {
            return;
        }
        // The first piece is what the prompt takes; each later one takes its own time.
        let time = match self.latest.replace(Instant::now()) {
            Some(latest) => since(latest),
            None => {
                self.reply.prefill = Some(since(self.asked));
                Time::default()
            }
        };
        match said {
            Some(text) if in_pieces => self.reply.pieces.push(Piece(time, text.to_owned())),
            Some(text) => self.reply.text = Some(text.to_owned()),
            None => {}
        }
    }

    fn finished(&mut self, reason: &Value) {
        self.reply.finish = match reason.as_str() {
            Some("length") => Some(FinishName::Length),
            // How an answer with or without calls ends by itself.
            _ => self.reply.finish,
        };
    }

    /// The reply that plays it.
    pub(super) fn finish(mut self) -> Result<ReplyScript, String> {
        if self.status >= 400 {
            let fault = FaultScript {
                status: Some(self.status),
                retry_after: self.retry_after.map(|seconds| Time::ms(seconds.saturating_mul(1000))),
                ..FaultScript::default()
            };
            return Ok(ReplyScript { fault, ..ReplyScript::default() });
        }
        if !self.is_stream {
            let body: Value = serde_json::from_slice(&self.unread).map_err(|error| error.to_string())?;
            let choice = &body["choices"][0];
            self.told(&choice["message"], false);
            self.finished(&choice["finish_reason"]);
        }
        let call = |(call, arguments): (Call, String)| match serde_json::from_str(&arguments) {
            Ok(Value::Object(object)) => Call { arguments: Some(object), ..call },
            // Not an object, as models sometimes write: as it was. Braces would be the template's.
            _ => Call { arguments_template: Some(format!("{{% raw %}}{arguments}{{% endraw %}}")), ..call },
        };
        self.reply.tool_calls = self.calls.into_iter().map(call).collect();
        let says = self.reply.text.is_some() || !self.reply.pieces.is_empty();
        if !says && self.reply.tool_calls.is_empty() && self.reply.reasoning.is_none() {
            self.reply.text = Some(String::new());
        }
        Ok(self.reply)
    }
}

/// A message's content: text, or the text parts of an array.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}
