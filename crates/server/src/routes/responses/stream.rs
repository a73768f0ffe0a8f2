//! The answer as the typed events of the protocol: items that begin, grow and end, one after the other.

use backend::{CallPart, FinishReason, Token};
use serving::{Completed, Started};

use super::{Head, items};
use crate::answer::Events;
use crate::error::ApiError;
use crate::sse::named_frame;
use crate::wire::logprobs::TokenEntry;
use crate::wire::responses::event::{Numbered, ResponsesEvent};
use crate::wire::responses::response::{OutputItem, OutputPart};

/// Writes the events of one answer.
pub(super) struct ResponseEvents {
    head: Head,
    numbers: Numbers,
    /// Items that have ended.
    done: Vec<OutputItem>,
    /// The item that grows, if one does.
    open: Option<Open>,
    reasoning_tokens: u32,
}

/// Numbers the events.
#[derive(Default)]
struct Numbers(u64);

impl Numbers {
    fn write(&mut self, out: &mut Vec<u8>, event: ResponsesEvent<'_>) {
        named_frame(out, event.name(), &Numbered { sequence_number: self.0, event });
        self.0 += 1;
    }
}

/// An item that grows.
struct Open {
    id: String,
    what: What,
}

enum What {
    Reasoning { text: String },
    Message { text: String, logprobs: Vec<TokenEntry> },
    Call { index: u32, call_id: String, name: String, arguments: String },
}

impl What {
    /// Whether more of `other` is more of the same item.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reasoning { .. }, Self::Reasoning { .. }) | (Self::Message { .. }, Self::Message { .. }) => true,
            (Self::Call { index, .. }, Self::Call { index: other, .. }) => index == other,
            _ => false,
        }
    }

    fn id_prefix(&self) -> &'static str {
        match self {
            Self::Reasoning { .. } => "rs",
            Self::Message { .. } => "msg",
            Self::Call { .. } => "fc",
        }
    }

    /// The part of it that parts of the protocol are made of; a call has none.
    fn part(&self) -> Option<OutputPart> {
        match self {
            Self::Reasoning { text } => Some(OutputPart::ReasoningText { text: text.clone() }),
            Self::Message { text, logprobs } => Some(items::text(text.clone(), logprobs.clone())),
            Self::Call { .. } => None,
        }
    }

    fn item(&self, id: &str, status: &'static str, content: Vec<OutputPart>) -> OutputItem {
        let id = id.to_owned();
        match self {
            Self::Reasoning { .. } => items::reasoning(id, status, content),
            Self::Message { .. } => items::message(id, status, content),
            Self::Call { call_id, name, arguments, .. } => {
                let (call_id, name, arguments) = (call_id.clone(), name.clone(), arguments.clone());
                OutputItem::FunctionCall { id, status, call_id, name, arguments }
            }
        }
    }
}

impl ResponseEvents {
    pub(super) fn new(head: Head) -> Self {
        Self { head, numbers: Numbers::default(), done: Vec::new(), open: None, reasoning_tokens: 0 }
    }

    /// Makes an item like `empty` the one that grows, which ends the one before.
    fn turn_to(&mut self, out: &mut Vec<u8>, empty: What) {
        if self.open.as_ref().is_some_and(|open| open.what.is_same(&empty)) {
            return;
        }
        self.close(out, "completed");
        let output_index = self.done.len();
        let id = items::id(empty.id_prefix(), &self.head.id, output_index);
        let item = empty.item(&id, "in_progress", Vec::new());
        self.numbers.write(out, ResponsesEvent::ItemAdded { output_index, item });
        if let Some(part) = empty.part() {
            self.numbers.write(out, ResponsesEvent::PartAdded { item_id: &id, output_index, content_index: 0, part });
        }
        self.open = Some(Open { id, what: empty });
    }

    /// Ends the item that grows.
    fn close(&mut self, out: &mut Vec<u8>, status: &'static str) {
        let Some(Open { id, what }) = self.open.take() else { return };
        let (item_id, output_index, content_index) = (id.as_str(), self.done.len(), 0);
        let numbers = &mut self.numbers;
        numbers.write(
            out,
            match &what {
                What::Reasoning { text } => {
                    ResponsesEvent::ReasoningDone { item_id, output_index, content_index, text }
                }
                What::Message { text, logprobs } => {
                    ResponsesEvent::TextDone { item_id, output_index, content_index, text, logprobs }
                }
                What::Call { name, arguments, .. } => {
                    ResponsesEvent::ArgumentsDone { item_id, output_index, name, arguments }
                }
            },
        );
        let part = what.part();
        if let Some(part) = &part {
            numbers.write(out, ResponsesEvent::PartDone { item_id, output_index, content_index, part });
        }
        let item = what.item(&id, status, part.into_iter().collect());
        numbers.write(out, ResponsesEvent::ItemDone { output_index, item: &item });
        self.done.push(item);
    }

    fn think(&mut self, out: &mut Vec<u8>, delta: &str) {
        self.turn_to(out, What::Reasoning { text: String::new() });
        let output_index = self.done.len();
        if let Some(Open { id, what: What::Reasoning { text } }) = &mut self.open {
            text.push_str(delta);
            let event = ResponsesEvent::ReasoningDelta { item_id: id, output_index, content_index: 0, delta };
            self.numbers.write(out, event);
        }
    }

    fn say(&mut self, out: &mut Vec<u8>, delta: &str, likely: Vec<TokenEntry>) {
        self.turn_to(out, What::Message { text: String::new(), logprobs: Vec::new() });
        let output_index = self.done.len();
        if let Some(Open { id, what: What::Message { text, logprobs } }) = &mut self.open {
            text.push_str(delta);
            logprobs.extend(likely.iter().cloned());
            let event =
                ResponsesEvent::TextDelta { item_id: id, output_index, content_index: 0, delta, logprobs: likely };
            self.numbers.write(out, event);
        }
    }

    fn call(&mut self, out: &mut Vec<u8>, part: &CallPart) {
        let (call_id, name) = (part.id.clone().unwrap_or_default(), part.name.clone().unwrap_or_default());
        self.turn_to(out, What::Call { index: part.index, call_id, name, arguments: String::new() });
        let output_index = self.done.len();
        if let Some(Open { id, what: What::Call { arguments, .. } }) = &mut self.open
            && !part.arguments.is_empty()
        {
            arguments.push_str(&part.arguments);
            let event = ResponsesEvent::ArgumentsDelta { item_id: id, output_index, delta: &part.arguments };
            self.numbers.write(out, event);
        }
    }
}

impl Events for ResponseEvents {
    fn begin(&mut self, out: &mut Vec<u8>, started: &Started) {
        self.head.model.clone_from(&started.model);
        self.numbers.write(out, ResponsesEvent::Created { response: self.head.begun(&[]) });
        self.numbers.write(out, ResponsesEvent::InProgress { response: self.head.begun(&[]) });
    }

    fn token(&mut self, out: &mut Vec<u8>, _: usize, token: &Token) {
        if !token.reasoning.is_empty() {
            self.reasoning_tokens += 1;
            self.think(out, &token.reasoning);
        }
        if !token.text.is_empty() || token.logprob.is_some() {
            self.say(out, &token.text, token.logprob.iter().map(TokenEntry::from).collect());
        }
        for part in &token.calls {
            self.call(out, part);
        }
    }

    fn completed(&mut self, out: &mut Vec<u8>, _: usize, completed: &Completed) {
        let finish = completed.finish;
        if self.open.is_none() && self.done.is_empty() {
            self.turn_to(out, What::Message { text: String::new(), logprobs: Vec::new() });
        }
        self.close(out, items::status(finish.reason));
        let response = self.head.ended(&self.done, finish.reason, finish.usage, self.reasoning_tokens);
        self.numbers.write(
            out,
            match finish.reason {
                FinishReason::Length => ResponsesEvent::Incomplete { response },
                FinishReason::Stop | FinishReason::ToolCalls => ResponsesEvent::Completed { response },
            },
        );
    }

    /// The completion was the last event.
    fn end(&mut self, _: &mut Vec<u8>) {}

    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        let error = error.object().error;
        let (code, message, param) = (error.code, error.message.clone(), error.param.clone());
        self.numbers.write(out, ResponsesEvent::Error { code, message, param, error });
    }
}
