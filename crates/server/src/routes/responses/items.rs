//! What an answer consists of: thoughts, a message, calls.

use backend::FinishReason;

use crate::answer::Said;
use crate::wire::logprobs::TokenEntry;
use crate::wire::responses::response::{OutputItem, OutputPart};

/// Whether an item is whole. One that is cut off by the bound on tokens is the last one.
pub(super) fn status(reason: FinishReason) -> &'static str {
    if reason == FinishReason::Length { "incomplete" } else { "completed" }
}

/// The id of the item with this index, in the answer with this id.
pub(super) fn id(kind: &str, response_id: &str, index: usize) -> String {
    let number = response_id.trim_start_matches("resp_");
    format!("{kind}_{number}-{index}")
}

/// Thoughts.
pub(super) fn reasoning(id: String, status: &'static str, content: Vec<OutputPart>) -> OutputItem {
    OutputItem::Reasoning { id, status, summary: Vec::new(), content }
}

/// What is said.
pub(super) fn message(id: String, status: &'static str, content: Vec<OutputPart>) -> OutputItem {
    OutputItem::Message { id, status, role: "assistant", content }
}

/// A text, with how likely its tokens were.
pub(super) fn text(text: String, logprobs: Vec<TokenEntry>) -> OutputPart {
    OutputPart::OutputText { text, annotations: Vec::new(), logprobs }
}

/// Everything that was said, as items. There is always one.
pub(super) fn of(response_id: &str, said: Said, reason: FinishReason) -> Vec<OutputItem> {
    let Said { text: words, reasoning: thoughts, calls, logprobs, .. } = said;
    let mut items = Vec::new();
    if !thoughts.is_empty() {
        let part = OutputPart::ReasoningText { text: thoughts };
        items.push(reasoning(id("rs", response_id, 0), "completed", vec![part]));
    }
    if !words.is_empty() || calls.is_empty() {
        let part = text(words, logprobs.iter().map(TokenEntry::from).collect());
        items.push(message(id("msg", response_id, items.len()), "completed", vec![part]));
    }
    for call in calls {
        let (id, status) = (id("fc", response_id, items.len()), "completed");
        items.push(OutputItem::FunctionCall {
            id,
            status,
            call_id: call.id,
            name: call.name,
            arguments: call.arguments,
        });
    }
    if let Some(last) = items.last_mut() {
        set_status(last, status(reason));
    }
    items
}

/// Says whether the item is whole.
pub(super) fn set_status(item: &mut OutputItem, to: &'static str) {
    match item {
        OutputItem::Reasoning { status, .. }
        | OutputItem::Message { status, .. }
        | OutputItem::FunctionCall { status, .. } => *status = to,
    }
}
