//! What may come back over a connection, whatever was sent.

use serde_json::Value;

use super::head::Raw;

/// What the HTTP implementation answers by itself, before there is a request that could have an id: no HTTP, a target that
/// is too long, and headers that are too many or too long. It says nothing but the status.
const WITHOUT_REQUEST: [u16; 3] = [400, 414, 431];

/// What the server answers. A 5xx is not among them, and neither is a status that nobody chose.
const STATUSES: [u16; 12] = [200, 400, 401, 403, 404, 405, 408, 409, 413, 414, 422, 429];

/// Objects to what came back; tells whether the request was taken.
pub(crate) fn judge(raw: &Raw, said: &[u8]) -> Result<bool, String> {
    if raw.bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\n") {
        // Frames. That they end is shown by having read them.
        return Ok(false);
    }
    let text = std::str::from_utf8(said).map_err(|error| format!("the answer is no text: {error}"))?;
    let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(text);
    if text.is_empty() {
        return Ok(false);
    }
    answer(raw, text).map_err(|reason| format!("{reason}: {}", text.chars().take(900).collect::<String>()))
}

fn answer(raw: &Raw, text: &str) -> Result<bool, String> {
    let (head, body) = text.split_once("\r\n\r\n").ok_or("a head that does not end")?;
    let mut lines = head.lines();
    let begin = lines.next().unwrap_or_default();
    let status = begin.strip_prefix("HTTP/1.1 ").or_else(|| begin.strip_prefix("HTTP/1.0 "));
    let status: u16 = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or("no status")?;
    let header = |name: &str| lines.clone().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    // What steers the mock is no request to a model, and has no id either.
    let is_control = raw.bytes.windows(6).any(|part| part == b"/mock/");
    if header("x-request-id").is_none() {
        if WITHOUT_REQUEST.contains(&status) && body.is_empty() {
            return Ok(false);
        }
        if !is_control {
            return Err(format!("status {status} without the id of a request"));
        }
    }
    // A wish that can come true: whoever wants several answers and waits for none of them.
    let is_impatient = status == 503 && body.contains("queue_timeout");
    if !STATUSES.contains(&status) && !is_impatient {
        return Err(format!("status {status}"));
    }
    // Announces what it does not have.
    if raw.bytes.starts_with(b"HEAD ") {
        return Ok(status == 200);
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    // More than one answer where the bytes were more than one request.
    let is_alone = text.matches("HTTP/1.1 ").count() == 1;
    if is_alone && length.is_some_and(|length| length != body.len()) {
        // RFC 9112, 8: a request that breaks off is none, so its connection may be closed under the answer.
        if is_broken_off(&raw.bytes) && length.is_some_and(|length| length > body.len()) {
            return Ok(false);
        }
        return Err(format!("a body of {} bytes", body.len()));
    }
    let body = length.and_then(|length| body.get(..length)).unwrap_or(body);
    let is_json = header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    match status {
        200 if is_json => {
            serde_json::from_str::<Value>(body).map(|_| true).map_err(|error| format!("no JSON: {error}"))
        }
        200 => Ok(true),
        // A page that asks what it may do is answered without a body.
        _ if raw.bytes.starts_with(b"OPTIONS ") && body.is_empty() => Ok(false),
        _ => refused(body).map(|()| false),
    }
}

/// Whether fewer bytes were sent of a body than its head announces.
fn is_broken_off(sent: &[u8]) -> bool {
    let sent = String::from_utf8_lossy(sent);
    let Some((head, body)) = sent.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    announced.is_some_and(|announced| body.len() < announced)
}

/// An error in one of the shapes, with words in it.
fn refused(body: &str) -> Result<(), String> {
    let error: Value = serde_json::from_str(body).map_err(|error| format!("no JSON: {error}"))?;
    let message = error["error"]["message"].as_str().or_else(|| error["detail"].as_str());
    let message = message.or_else(|| error["detail"][0]["msg"].as_str()).ok_or("no message")?;
    match message.chars().count() {
        4..=1000 => Ok(()),
        n => Err(format!("a message of {n} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Raw, judge};

    fn judged(said: &str) -> Result<bool, String> {
        judge(&Raw { bytes: b"GET / HTTP/1.1\r\n".to_vec(), wants_key: false }, said.as_bytes())
    }

    /// Half an answer is one only where the request was whole.
    #[test]
    fn who_breaks_off_may_get_half_an_answer_and_nobody_else() {
        let said = "HTTP/1.1 200 OK\r\nx-request-id: t-1\r\ncontent-length: 9\r\n\r\nhalf";
        let whole = "GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx";
        for (sent, is_fair) in [(whole, false), (&whole[..whole.len() - 1], true), ("GET / HTTP/1.1\r\n\r\n", false)] {
            let raw = Raw { bytes: sent.into(), wants_key: false };
            assert_eq!(judge(&raw, said.as_bytes()).is_ok(), is_fair, "{sent}");
        }
    }

    /// A judge that objects to nothing shows nothing.
    #[test]
    fn answers_that_nobody_chose_are_objected_to() {
        let with = |status: &str, length: usize, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: t-1\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        for (said, is_taken) in [
            (String::new(), false),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned(), false),
            (with("200 OK", 2, "{}"), true),
            (with("404 Not Found", 22, r#"{"detail":"not there"}"#), false),
        ] {
            assert_eq!(judged(&said), Ok(is_taken), "{said}");
        }
        for said in [
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request\r\n\r\nFailed to parse".to_owned(),
            "HTTP/1.1 400 Bad Request\r\n".to_owned(),
            "\0".to_owned(),
            with("500 Internal Server Error", 22, r#"{"detail":"it failed"}"#),
            with("418 I am a teapot", 22, r#"{"detail":"it failed"}"#),
            with("400 Bad Request", 13, r#"{"detail":""}"#),
            with("400 Bad Request", 2, "{}"),
            with("400 Bad Request", 7, "in text"),
            with("200 OK", 1, "{"),
            with("200 OK", 5, "{}"),
        ] {
            assert!(judged(&said).is_err(), "{said}");
        }
    }
}
