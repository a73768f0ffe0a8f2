//! The answers of `/v1/messages`.

use backend_mock::FinishName;
use serde_json::Value;

use super::heard::Heard;

/// An answer in one piece.
pub(super) fn whole(heard: &mut Heard, body: &Value) {
    let blocks = body["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut calls = 0;
    for block in blocks {
        heard.thought(0, block["thinking"].as_str().unwrap_or_default());
        heard.text(0, block["text"].as_str().unwrap_or_default());
        if block["type"] == "tool_use" {
            heard.call(0, calls, block["id"].as_str(), block["name"].as_str().unwrap_or_default());
            heard.arguments(0, calls, &block["input"].to_string());
            calls += 1;
        }
    }
    usage(heard, &body["usage"]);
    finished(heard, &body["stop_reason"]);
}

/// The calls of a stream, by the index of their block.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<u64>);

impl Blocks {
    /// One event of a streamed answer.
    pub(super) fn event(&mut self, heard: &mut Heard, event: &Value) {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => usage(heard, &event["message"]["usage"]),
            "content_block_start" => self.start(heard, event),
            "content_block_delta" => {
                let delta = &event["delta"];
                heard.thought(0, delta["thinking"].as_str().unwrap_or_default());
                heard.text(0, delta["text"].as_str().unwrap_or_default());
                if let Some(number) = self.number(&event["index"]) {
                    heard.arguments(0, number, delta["partial_json"].as_str().unwrap_or_default());
                }
            }
            "message_delta" => {
                usage(heard, &event["usage"]);
                finished(heard, &event["delta"]["stop_reason"]);
            }
            "message_stop" => heard.complete(),
            "error" => heard.fail(),
            _ => {}
        }
    }

    fn start(&mut self, heard: &mut Heard, event: &Value) {
        let block = &event["content_block"];
        heard.thought(0, block["thinking"].as_str().unwrap_or_default());
        heard.text(0, block["text"].as_str().unwrap_or_default());
        if block["type"] == "tool_use" {
            heard.call(0, self.0.len(), block["id"].as_str(), block["name"].as_str().unwrap_or_default());
            self.0.push(event["index"].as_u64().unwrap_or_default());
        }
    }

    fn number(&self, index: &Value) -> Option<usize> {
        let index = index.as_u64()?;
        self.0.iter().position(|known| *known == index)
    }
}

/// What the engine remembered of the prompt, and what it was made to, stands beside the rest of it here.
fn usage(heard: &mut Heard, usage: &Value) {
    let cached = &usage["cache_read_input_tokens"];
    let remembered = cached.as_u64().unwrap_or_default() + usage["cache_creation_input_tokens"].as_u64().unwrap_or(0);
    let prompt = usage["input_tokens"].as_u64().map_or(Value::Null, |tokens| (tokens + remembered).into());
    heard.usage(&prompt, cached, &usage["output_tokens"]);
}

fn finished(heard: &mut Heard, reason: &Value) {
    if let Some(reason) = reason.as_str() {
        heard.finished(
            0,
            match reason {
                "max_tokens" => FinishName::Length,
                "tool_use" => FinishName::ToolCalls,
                _ => FinishName::Stop,
            },
        );
    }
}
