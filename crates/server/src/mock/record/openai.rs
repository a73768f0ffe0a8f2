//! The answers of `/v1/chat/completions` and `/v1/completions`.

use backend_mock::FinishName;
use serde_json::Value;

use super::heard::Heard;

/// One event of a streamed chat.
pub(super) fn chat_chunk(heard: &mut Heard, event: &Value) {
    answer(heard, event, "delta");
}

/// A chat in one piece.
pub(super) fn chat(heard: &mut Heard, body: &Value) {
    answer(heard, body, "message");
}

fn answer(heard: &mut Heard, said: &Value, field: &str) {
    for (index, choice) in choices(heard, said) {
        let message = &choice[field];
        let thought = message["reasoning_content"].as_str().or_else(|| message["reasoning"].as_str());
        heard.thought(index, thought.unwrap_or_default());
        heard.text(index, message["content"].as_str().unwrap_or_default());
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (place, call) in calls.iter().enumerate() {
            let number = number(&call["index"]).unwrap_or(place);
            let function = &call["function"];
            heard.call(index, number, call["id"].as_str(), function["name"].as_str().unwrap_or_default());
            heard.arguments(index, number, function["arguments"].as_str().unwrap_or_default());
        }
        finished(heard, index, choice);
    }
}

/// A text, or an event of one that is streamed: both are written alike.
pub(super) fn completion(heard: &mut Heard, said: &Value) {
    for (index, choice) in choices(heard, said) {
        heard.text(index, choice["text"].as_str().unwrap_or_default());
        finished(heard, index, choice);
    }
}

/// The choices with their indices; and what stands beside them.
fn choices<'a>(heard: &mut Heard, said: &'a Value) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    if said["error"].is_object() {
        heard.fail();
    }
    let usage = &said["usage"];
    let cached = &usage["prompt_tokens_details"]["cached_tokens"];
    heard.usage(&usage["prompt_tokens"], cached, &usage["completion_tokens"]);
    let choices = said["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    choices.iter().enumerate().map(|(place, choice)| (number(&choice["index"]).unwrap_or(place), choice))
}

fn finished(heard: &mut Heard, index: usize, choice: &Value) {
    if let Some(reason) = choice["finish_reason"].as_str() {
        heard.finished(
            index,
            match reason {
                "length" => FinishName::Length,
                "tool_calls" | "function_call" => FinishName::ToolCalls,
                _ => FinishName::Stop,
            },
        );
    }
}

fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}
