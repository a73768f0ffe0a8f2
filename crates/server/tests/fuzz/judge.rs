//! What an answer may be, whatever was asked.

use serde_json::Value;

use super::targets::Case;
use super::world::Answer;

/// What may come back at all. A 5xx is not among them, and neither is a status that nobody chose.
const STATUSES: [u16; 8] = [200, 400, 401, 403, 404, 413, 422, 429];

/// The longest message, in characters: a few lines, whatever was asked.
const MESSAGE_MAX: usize = 1000;

/// What only a failure of the server says.
const FAILURES: [&str; 5] = ["\"server_error\"", "\"api_error\"", "backend_error", "the engine failed", "panicked"];

/// Objects to an answer. A script has reasons of its own for a refusal, which are about no field.
pub(crate) fn answer(path: &str, case: &Case, is_scripted: bool, answer: &Answer) -> Result<(), String> {
    let text = std::str::from_utf8(&answer.body).map_err(|error| format!("the answer is no text: {error}"))?;
    let (status, said) = (answer.status.as_u16(), short(text));
    // A wish that can come true: whoever wants several answers and waits for none of them.
    let is_impatient = case.headers.iter().any(|(name, _)| name.as_str().ends_with("queue-timeout-ms"));
    if is_impatient && [200, 503].contains(&status) && text.contains("queue_timeout") {
        return Ok(());
    }
    if !STATUSES.contains(&status) {
        return Err(format!("status {status}: {said}"));
    }
    if !answer.headers.contains_key("x-request-id") {
        return Err("the answer does not say which request it is of".to_owned());
    }
    if let Some(failure) = FAILURES.iter().find(|failure| text.contains(*failure)) {
        return Err(format!("status {status} with {failure}: {said}"));
    }
    match status {
        200 => taken(answer, text).map_err(|reason| format!("{reason}: {said}")),
        401 if !case.wants_key => Err("a key is asked for where nobody needs one".to_owned()),
        _ => refused(path, status, is_scripted, text).map_err(|reason| format!("status {status}, {reason}: {said}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(600).collect()
}

/// JSON, or events of JSON.
fn taken(answer: &Answer, text: &str) -> Result<(), String> {
    let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return serde_json::from_str::<Value>(text).map(drop).map_err(|error| format!("no JSON: {error}"));
    }
    let events = text.strip_suffix("\n\n").ok_or("a stream that does not end with an event")?;
    for event in events.split("\n\n").filter(|event| !event.starts_with(':')) {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).ok_or("an event without data")?;
        if data != "[DONE]" {
            serde_json::from_str::<Value>(data).map_err(|error| format!("an event that is no JSON: {error}"))?;
        }
    }
    Ok(())
}

/// Paths of llama-server, whose errors look like the OpenAI protocol's.
const OF_LLAMA_SERVER: [&str; 6] =
    ["/completion", "/tokenize", "/detokenize", "/apply-template", "/rerank", "/reranking"];

/// An error in the shape of its protocol, which says what is wrong.
fn refused(path: &str, status: u16, is_scripted: bool, text: &str) -> Result<(), String> {
    let error: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let keys = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let shape = |value: &Value, wanted: &[&str]| match keys(value) {
        Some(found) if found == wanted => Ok(()),
        found => Err(format!("an object with {found:?} and not {wanted:?}")),
    };
    if path.starts_with("/v1/messages") {
        shape(&error, &["type", "error"])?;
        shape(&error["error"], &["type", "message"])?;
        return message(&error["error"]["message"]);
    }
    if path.starts_with("/v1/") || OF_LLAMA_SERVER.contains(&path) {
        shape(&error, &["error"])?;
        let error = &error["error"];
        shape(error, &["message", "type", "param", "code"])?;
        message(&error["message"])?;
        let said = error["message"].as_str().unwrap_or_default();
        return match &error["param"] {
            Value::String(param) if (1..=200).contains(&param.chars().count()) => Ok(()),
            // It is about no field, and says so.
            Value::Null if status != 400 || is_scripted || said.starts_with("the body ") => Ok(()),
            param => Err(format!("the field is {param}")),
        };
    }
    shape(&error, &["detail"])?;
    match &error["detail"] {
        Value::Array(problems) if !problems.is_empty() => problems.iter().try_for_each(|problem| {
            shape(problem, &["type", "loc", "msg"])?;
            message(&problem["msg"])
        }),
        detail => message(detail),
    }
}

fn message(message: &Value) -> Result<(), String> {
    let text = message.as_str().ok_or("no message")?;
    match text.chars().count() {
        0..4 => Err("an empty message".to_owned()),
        4..=MESSAGE_MAX => Ok(()),
        n => Err(format!("a message of {n} characters")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::{Answer, Case, answer};

    fn judged(path: &str, status: u16, body: &str) -> Result<(), String> {
        let case = Case { body: Vec::new(), headers: Vec::new(), wants_key: false };
        let mut headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
        headers.insert("x-request-id", HeaderValue::from_static("t-1"));
        answer(
            path,
            &case,
            false,
            &Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() },
        )
    }

    /// A judge that objects to nothing shows nothing.
    #[test]
    fn answers_out_of_shape_are_objected_to() {
        let error = |param: &str| {
            format!(r#"{{"error":{{"message":"wrong so","type":"invalid_request_error","param":{param},"code":"x"}}}}"#)
        };
        for (path, status, body) in [
            ("/v1/completions", 400, error("\"n\"")),
            ("/v1/completions", 429, error("null")),
            ("/v1/messages", 400, r#"{"type":"error","error":{"type":"x","message":"wrong so"}}"#.to_owned()),
            ("/chat", 422, r#"{"detail":[{"type":"x","loc":["body"],"msg":"wrong so"}]}"#.to_owned()),
            ("/chat", 200, ": sign of life\n\ndata: {}\n\ndata: [DONE]\n\n".to_owned()),
        ] {
            assert_eq!(judged(path, status, &body), Ok(()), "{path} {status} {body}");
        }
        for (path, status, body) in [
            ("/v1/completions", 500, error("\"n\"")),
            ("/v1/completions", 418, error("\"n\"")),
            ("/v1/completions", 401, error("\"n\"")),
            ("/v1/completions", 400, error("null")),
            ("/v1/completions", 400, error("\"\"")),
            ("/v1/completions", 400, r#"{"detail":"wrong so"}"#.to_owned()),
            ("/v1/completions", 400, "wrong so".to_owned()),
            ("/v1/messages", 400, error("\"n\"")),
            ("/chat", 422, r#"{"detail":[]}"#.to_owned()),
            ("/chat", 422, format!(r#"{{"detail":"{}"}}"#, "x".repeat(9000))),
            ("/chat", 200, "data: {}\n\ndata: {".to_owned()),
            ("/chat", 200, "data: {\"error\":\"the engine failed\"}\n\n".to_owned()),
        ] {
            assert!(judged(path, status, &body).is_err(), "{path} {status} {body}");
        }
    }
}
