//! Answers, event by event, in virtual time: what is kept of them, and what is not.

use std::time::Duration;

use backend_mock::{FinishName, Piece, ReplyScript, Time};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::answer::{Answer, Exchange};
use super::face::Face;
use super::question::Question;
use super::with;
use crate::mock::script::Script;

fn question(path: &str, body: &Value) -> Question {
    let face = Face::of(&Method::POST, path).expect("a face that is recorded");
    Question::read(face, body.to_string().as_bytes()).expect("a good request")
}

fn headers(kind: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
}

/// What is kept of a stream whose bytes come after so many milliseconds each.
async fn streamed(path: &str, body: &Value, parts: &[(u64, &str)]) -> Result<Exchange, String> {
    let mut answer =
        Answer::new(question(path, body), 200, &headers("text/event-stream; charset=utf-8"), Instant::now());
    for (millis, bytes) in parts {
        sleep(Duration::from_millis(*millis)).await;
        answer.push(bytes.as_bytes());
    }
    answer.finish()
}

/// What is kept of an answer in one piece, after a second.
async fn whole(path: &str, asked: &Value, body: &Value) -> Result<Exchange, String> {
    let mut answer = Answer::new(question(path, asked), 200, &headers("application/json"), Instant::now());
    sleep(Duration::from_secs(1)).await;
    let text = format!("{body:#}");
    // In two parts, and with line breaks: it is no stream for that.
    let (first, second) = text.split_at(text.len() / 2);
    answer.push(first.as_bytes());
    answer.push(second.as_bytes());
    answer.finish()
}

fn only(exchange: Result<Exchange, String>) -> ReplyScript {
    let rules = exchange.expect("it is recorded").rules;
    assert_eq!((rules.len(), rules[0].reply.0.len()), (1, 1));
    rules[0].reply.0[0].clone()
}

fn pieces(pieces: &[(u64, &str)]) -> Vec<Piece> {
    pieces.iter().map(|(millis, text)| Piece(Time::ms(*millis), (*text).to_owned())).collect()
}

fn chat() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true})
}

/// Method: a thought, a text cut in the middle of an event, and a call. The time of a call's head counts with its arguments.
#[tokio::test(start_paused = true)]
async fn a_chat_keeps_the_times_of_all_that_is_said() {
    let parts = [
        (500, ": waiting\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"),
        (100, "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm.\"}}]}\n\n"),
        (20, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"I "),
        (5, "look\"}}]}\n\n"),
        (
            7,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]}}]}\n\n",
        ),
        (
            3,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{ }\"}}]}}]}\n\n",
        ),
        (9, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"),
        (
            0,
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\ndata: [DONE]\n\n",
        ),
    ];
    let reply = only(streamed("/v1/chat/completions", &chat(), &parts).await);
    assert_eq!(reply.prefill, Some(Time::ms(600)));
    assert_eq!((reply.reasoning_pieces, reply.pieces), (pieces(&[(0, "Hm.")]), pieces(&[(25, "I look")])));
    let call = &reply.tool_calls[0];
    assert_eq!((call.id.as_deref(), call.name.as_str(), &call.pieces), (Some("a"), "look", &pieces(&[(10, "{ }")])));
    assert_eq!(reply.finish, Some(FinishName::ToolCalls));
    let usage = reply.usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens), (Some(7), Some(2), Some(5)));
}

#[tokio::test(start_paused = true)]
async fn typed_events_keep_their_times() {
    let messages = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let parts = [
        (
            40,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":3}}}\n\n",
        ),
        (
            2,
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        ),
        (
            8,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"I look\"}}\n\n",
        ),
        (
            0,
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"look\",\"input\":{}}}\n\n",
        ),
        (
            6,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n",
        ),
        (
            1,
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":4}}\n\n",
        ),
        (0, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    ];
    let reply = only(streamed("/v1/messages", &messages, &parts).await);
    assert_eq!((reply.prefill, &reply.pieces), (Some(Time::ms(50)), &pieces(&[(0, "I look")])));
    assert_eq!((&reply.tool_calls[0].pieces, reply.finish), (&pieces(&[(6, "{}")]), Some(FinishName::ToolCalls)));
    let usage = reply.usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens), (Some(8), Some(3), Some(4)));

    // The call is the second item, and the first of the calls.
    let responses = json!({"model": "m", "input": "hi", "stream": true});
    let parts = [
        (
            30,
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\n",
        ),
        (
            5,
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"So\"}\n\n",
        ),
        (
            1,
            "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"call_id\":\"b\",\"name\":\"look\",\"arguments\":\"\"}}\n\n",
        ),
        (
            2,
            "event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":1,\"delta\":\"{}\"}\n\n",
        ),
        (
            0,
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":3,\"output_tokens\":6}}}\n\n",
        ),
    ];
    let reply = only(streamed("/v1/responses", &responses, &parts).await);
    assert_eq!((reply.prefill, &reply.pieces), (Some(Time::ms(35)), &pieces(&[(0, "So")])));
    assert_eq!((reply.tool_calls.len(), reply.tool_calls[0].id.as_deref()), (1, Some("b")));
    assert_eq!((&reply.tool_calls[0].pieces, reply.finish), (&pieces(&[(3, "{}")]), Some(FinishName::ToolCalls)));

    let parts = [
        (10, "event: init\ndata: {\"request_id\":\"x\"}\n\n"),
        (10, "event: token\ndata: {\"t\":\"Good\"}\n\n"),
        (4, "event: token\ndata: {\"t\":\" day\"}\n\n"),
        (
            0,
            "event: done\ndata: {\"ok\":true,\"response\":\"Good day\",\"model_used\":\"fast\",\"work_steps\":[\"dig\",\"fill\"],\"vision_error\":null}\n\n",
        ),
    ];
    let mut exchange = streamed("/chat/stream", &json!({"message": "hi"}), &parts).await.expect("it is recorded");
    assert_eq!(exchange.model, "fast");
    let plan = exchange.rules.pop().expect("there were steps");
    assert_eq!(plan.reply.0[0].text.as_deref(), Some("1. dig\n2. fill"));
    let reply = only(Ok(exchange));
    assert_eq!((reply.prefill, &reply.pieces), (Some(Time::ms(20)), &pieces(&[(0, "Good"), (4, " day")])));
}

/// An answer in one piece takes its time before it, and its text is one token: no bound of a request cuts it.
#[tokio::test(start_paused = true)]
async fn an_answer_in_one_piece_comes_after_its_time() {
    let body = json!({"choices": [
        {"index": 0, "message": {"content": "one"}, "finish_reason": "length"},
        {"index": 1, "message": {"content": "two", "tool_calls": [
            {"id": "a", "function": {"name": "look", "arguments": "{\"at\":1}"}},
            {"id": "b", "function": {"name": "look", "arguments": "{\"at\": 1}"}},
        ]}, "finish_reason": "tool_calls"},
    ], "usage": {"prompt_tokens": 5, "completion_tokens": 9}});
    let mut asked = chat();
    asked["n"] = json!(2);
    let rules = whole("/v1/chat/completions", &asked, &body).await.expect("it is recorded").rules;
    let [first, second] = [&rules[0].reply.0[0], &rules[1].reply.0[0]];
    assert_eq!(rules[0].when, rules[1].when);
    assert_eq!(
        (&first.pieces, first.prefill, first.finish),
        (&pieces(&[(0, "one")]), Some(Time::ms(1000)), Some(FinishName::Length))
    );
    assert_eq!((&second.pieces, second.prefill), (&pieces(&[(0, "two")]), None));
    // As people write them where that is the same text, and as they were otherwise.
    assert!(second.tool_calls[0].arguments.is_some() && second.tool_calls[0].pieces.is_empty());
    assert_eq!(second.tool_calls[1].pieces, pieces(&[(0, "{\"at\": 1}")]));
    let told = [first, second].map(|reply| (reply.usage.prompt_tokens, reply.usage.completion_tokens));
    assert_eq!(told, [(Some(5), Some(5)), (Some(5), Some(4))], "together they are what was told");
}

/// What a stream said before its error is played, and then the error.
#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_recorded_as_one() {
    let say = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let fail = "data: {\"error\":{\"message\":\"broken\",\"code\":\"backend_error\"}}\n\n";
    let reply = only(streamed("/v1/chat/completions", &chat(), &[(0, say), (0, say), (0, fail)]).await);
    assert_eq!((reply.fault.fail_after, reply.fault.fail, reply.pieces.len()), (Some(2), false, 2));
    let reply = only(streamed("/v1/chat/completions", &chat(), &[(0, fail)]).await);
    assert_eq!((reply.fault.fail_after, reply.fault.fail), (None, true));
    let done = "event: done\ndata: {\"ok\":false,\"error\":\"broken\"}\n\n";
    let token = "event: token\ndata: {\"t\":\"a\"}\n\n";
    let reply = only(streamed("/chat/stream", &json!({"message": "hi"}), &[(0, token), (0, done)]).await);
    assert_eq!(reply.fault.fail_after, Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_played_is_not_recorded() {
    let say = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let cut = streamed("/v1/chat/completions", &chat(), &[(0, say)]).await;
    assert_eq!(cut.map(drop), Err("it has no end".to_owned()));
    let edison = json!({"message": "hi"});
    let stopped = "event: done\ndata: {\"ok\":false,\"stopped\":true}\n\n";
    streamed("/chat/stream", &edison, &[(0, stopped)]).await.map(drop).expect_err("it was cancelled");
    let blind = json!({"response": "[x]\n\nhm", "model_used": "fast", "vision_error": "x"});
    whole("/chat", &edison, &blind).await.map(drop).expect_err("nobody saw the picture");
    let few = json!({"data": [{"index": 0, "embedding": [1.0]}]});
    let asked = json!({"model": "m", "input": ["a", "b"]});
    whole("/v1/embeddings", &asked, &few).await.map(drop).expect_err("one is missing");
    let tokens = json!({"model": "m", "input": [7, 8]});
    let why = Question::read(Face::Embeddings, tokens.to_string().as_bytes()).expect_err("tokens of what?");
    assert!(why.contains("vocabulary"), "{why}");
}

/// Indices are numbers of somebody else, and room is made for what is below them.
#[tokio::test(start_paused = true)]
async fn indices_that_no_answer_has_take_no_room() {
    let choice = "data: {\"choices\":[{\"index\":100000,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let call = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":100000,\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\n";
    let parts = [(0, choice), (0, call), (0, "data: [DONE]\n\n")];
    let reply = only(streamed("/v1/chat/completions", &chat(), &parts).await);
    assert_eq!((reply.pieces.len(), reply.tool_calls.len()), (0, 0));
}

/// EDISON's answers tell their tokens beside their times.
#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_chat_of_edison_are_among_its_times() {
    let timings = json!({"cache_n": 3, "prompt_n": 4, "predicted_n": 5, "prompt_ms": 1.5});
    let told = async |steps: Value| {
        let body = json!({"response": "hi", "model_used": "fast", "work_steps": steps, "timings": timings});
        let exchange = whole("/chat", &json!({"message": "hi"}), &body).await.expect("it is recorded");
        let usage = exchange.rules[0].reply.0[0].usage;
        (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
    };
    assert_eq!(told(Value::Null).await, (Some(7), Some(3), Some(5)));
    assert_eq!(told(json!(["dig"])).await, (None, None, None), "those of two calls");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_recorded_with_when_to_ask_again() {
    for (name, value) in [(RETRY_AFTER.as_str(), "2"), ("retry-after-ms", "2000")] {
        let mut headers = headers("application/json");
        headers.insert(http::HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut answer = Answer::new(question("/v1/chat/completions", &chat()), 429, &headers, Instant::now());
        answer.push(b"{\"error\":{}}");
        let fault = only(answer.finish()).fault;
        assert_eq!((fault.status, fault.retry_after), (Some(429), Some(Time::ms(2000))));
    }
}

/// The results of a tool come with the same last words of the user as the question did.
#[test]
fn a_question_and_the_results_of_its_tools_are_told_apart() {
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let user = json!({"role": "user", "content": "where?"});
    let call = json!({"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let result = |text: &str| json!({"role": "tool", "tool_call_id": "a", "content": text});
    let ask = |messages: Value| {
        question("/v1/chat/completions", &json!({"model": "m", "messages": messages, "tools": tools}))
    };
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let first = ask(json!([user]));
    let second = ask(json!([user, called, result("4")]));
    let third = ask(json!([user, called, result("42")]));
    let when = |question: &Question| question.whens[0].clone();
    assert_eq!((when(&first).after_tool, when(&first).result), (Some(false), None));
    assert_eq!((when(&second).after_tool, when(&second).result.as_deref()), (Some(true), Some("4")));
    assert!(when(&first) != when(&second) && when(&second) != when(&third));
}

/// Method: a rule that says nothing of pictures, or of tools, would answer to who asks with them as well.
#[test]
fn what_is_asked_without_pictures_and_tools_is_no_rule_for_what_is_asked_with_them() {
    let dot = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";
    let picture = json!([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": dot}}]);
    let pictured = json!({"model": "m", "messages": [{"role": "user", "content": picture}]});
    let images = |path: &str, body: &Value| question(path, body).whens[0].images;
    assert_eq!(images("/v1/chat/completions", &chat()), Some(0));
    assert_eq!(images("/v1/chat/completions", &pictured), Some(1));
    assert_eq!(images("/chat", &json!({"message": "hi"})), Some(0));
    assert_eq!(images("/chat", &json!({"message": "hi", "images": [dot]})), Some(1));
    assert_eq!(question("/v1/chat/completions", &chat()).whens[0].after_tool, Some(false));
}

/// Method: a long question twice. The model that plays it has room for it, and is there once.
#[tokio::test(start_paused = true)]
async fn the_model_of_a_recording_has_room_for_what_was_asked() {
    let mut asked = chat();
    asked["messages"][0]["content"] = json!("x".repeat(100_000));
    let body = json!({"choices": [{"index": 0, "message": {"content": "y"}, "finish_reason": "stop"}]});
    let mut script = Script::default();
    for _ in 0..2 {
        script = with(script, whole("/v1/chat/completions", &asked, &body).await.expect("it is recorded"));
    }
    assert_eq!((script.models.len(), script.rules.len(), script.rules[0].reply.0.len()), (1, 1, 2));
    assert!(script.models[0].context_len > 100_000 && script.models[0].max_tokens > 100_000);
}
