//! The answer as the typed events of the protocol: blocks that begin, grow and end, one after the other.

use backend::{CallPart, Token};
use serde_json::json;
use serving::{Completed, Started};

use crate::answer::Events;
use crate::error::{ApiError, MessagesStyle};
use crate::sse::named_frame;
use crate::wire::messages::response::{
    BlockDelta, ContentBlock, MessageAnswer, MessageEnd, MessageEvent, MessageUsage, stop_reason,
};
use crate::wire::null::Null;

/// Writes the events of one answer.
pub(super) struct MessageEvents {
    id: String,
    /// The block that grows, if one does.
    open: Option<Kind>,
    /// Blocks begun so far.
    blocks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    /// The call of this index.
    Call(u32),
}

impl MessageEvents {
    pub(super) fn new(id: String) -> Self {
        Self { id, open: None, blocks: 0 }
    }

    /// Ends the block that grows unless it is of this kind; whether it was.
    fn switch(&mut self, out: &mut Vec<u8>, kind: Option<Kind>) -> bool {
        if kind.is_some() && self.open == kind {
            return true;
        }
        if self.open.is_some() {
            write(out, &MessageEvent::ContentBlockStop { index: self.blocks - 1 });
        }
        self.open = kind;
        false
    }

    fn open_block(&mut self, out: &mut Vec<u8>, content_block: ContentBlock<'_>) {
        write(out, &MessageEvent::ContentBlockStart { index: self.blocks, content_block });
        self.blocks += 1;
    }

    fn grow(&self, out: &mut Vec<u8>, delta: BlockDelta<'_>) {
        write(out, &MessageEvent::ContentBlockDelta { index: self.blocks - 1, delta });
    }

    fn call(&mut self, out: &mut Vec<u8>, part: &CallPart) {
        if !self.switch(out, Some(Kind::Call(part.index))) {
            let (id, name) = (part.id.as_deref().unwrap_or_default(), part.name.as_deref().unwrap_or_default());
            self.open_block(out, ContentBlock::ToolUse { id, name, input: json!({}) });
        }
        if !part.arguments.is_empty() {
            self.grow(out, BlockDelta::InputJson { partial_json: &part.arguments });
        }
    }
}

fn write(out: &mut Vec<u8>, event: &MessageEvent<'_>) {
    named_frame(out, event.name(), event);
}

impl Events for MessageEvents {
    fn begin(&mut self, out: &mut Vec<u8>, started: &Started) {
        // What the engine remembered of the prompt is told at the end.
        let usage = MessageUsage { input_tokens: started.prompt_tokens, ..MessageUsage::default() };
        let message = MessageAnswer::new(&self.id, &started.model, Vec::new(), usage);
        write(out, &MessageEvent::MessageStart { message });
    }

    fn token(&mut self, out: &mut Vec<u8>, _: usize, token: &Token) {
        if !token.reasoning.is_empty() {
            if !self.switch(out, Some(Kind::Thinking)) {
                self.open_block(out, ContentBlock::Thinking { thinking: "", signature: "" });
            }
            self.grow(out, BlockDelta::Thinking { thinking: &token.reasoning });
        }
        if !token.text.is_empty() {
            if !self.switch(out, Some(Kind::Text)) {
                self.open_block(out, ContentBlock::Text { text: "" });
            }
            self.grow(out, BlockDelta::Text { text: &token.text });
        }
        for part in &token.calls {
            self.call(out, part);
        }
    }

    fn completed(&mut self, out: &mut Vec<u8>, _: usize, completed: &Completed) {
        self.switch(out, None);
        let delta = MessageEnd { stop_reason: stop_reason(completed.finish.reason), stop_sequence: Null };
        write(out, &MessageEvent::MessageDelta { delta, usage: completed.finish.usage.into() });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        write(out, &MessageEvent::MessageStop);
    }

    /// Without `message_stop`.
    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        named_frame(out, "error", &MessagesStyle::object(error));
    }
}
