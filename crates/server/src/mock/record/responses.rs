//! The answers of `/v1/responses`.

use backend_mock::FinishName;
use serde_json::Value;

use super::heard::Heard;

/// An answer in one piece.
pub(super) fn whole(heard: &mut Heard, body: &Value) {
    let items = body["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut calls = 0;
    for item in items {
        let texts = |field: &str| {
            let parts = item[field].as_array().map(Vec::as_slice).unwrap_or_default();
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>()
        };
        match item["type"].as_str().unwrap_or_default() {
            "reasoning" => heard.thought(0, &[texts("content"), texts("summary")].concat()),
            "message" => heard.text(0, &texts("content")),
            "function_call" => {
                head(heard, calls, item);
                heard.arguments(0, calls, item["arguments"].as_str().unwrap_or_default());
                calls += 1;
            }
            _ => {}
        }
    }
    ended(heard, body);
}

/// One event of a streamed answer.
pub(super) fn event(heard: &mut Heard, event: &Value) {
    let delta = event["delta"].as_str().unwrap_or_default();
    // Calls are numbered by their place among all items: those between them are none.
    let number = event["output_index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or_default();
    match event["type"].as_str().unwrap_or_default() {
        "response.output_item.added" if event["item"]["type"] == "function_call" => head(heard, number, &event["item"]),
        "response.output_text.delta" => heard.text(0, delta),
        "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => heard.thought(0, delta),
        "response.function_call_arguments.delta" => heard.arguments(0, number, delta),
        "response.completed" | "response.incomplete" => ended(heard, &event["response"]),
        "response.failed" | "error" => heard.fail(),
        _ => {}
    }
}

fn head(heard: &mut Heard, number: usize, item: &Value) {
    heard.call(0, number, item["call_id"].as_str(), item["name"].as_str().unwrap_or_default());
}

fn ended(heard: &mut Heard, response: &Value) {
    let usage = &response["usage"];
    let cached = &usage["input_tokens_details"]["cached_tokens"];
    heard.usage(&usage["input_tokens"], cached, &usage["output_tokens"]);
    let finish = match response["status"].as_str() {
        Some("failed" | "cancelled") => return heard.fail(),
        Some("incomplete") => FinishName::Length,
        _ if heard.calls(0) => FinishName::ToolCalls,
        _ => FinishName::Stop,
    };
    heard.finished(0, finish);
    heard.complete();
}
