//! Texts that fit a schema.

use serde_json::{Map, Value};

use super::{COUNT_MAX, pattern};

/// What a text without further demands may be.
const WORDS: [&str; 4] = ["text", "word", "string", "sample"];

pub(super) fn string(schema: &Map<String, Value>, draw: usize) -> Result<String, String> {
    if let Some(wanted) = schema.get("pattern").and_then(Value::as_str) {
        return pattern::matching(wanted);
    }
    if let Some(text) = schema.get("format").and_then(Value::as_str).and_then(of_format) {
        return Ok(text.to_owned());
    }
    let count = |key| schema.get(key).and_then(Value::as_u64);
    let (min, max) = (count("minLength").unwrap_or(0), count("maxLength").unwrap_or(u64::MAX));
    if min > COUNT_MAX {
        return Err(format!("the schema asks for {min} characters, and {COUNT_MAX} are the most"));
    }
    let word = WORDS[draw % WORDS.len()];
    let long = word.chars().cycle().take(usize::try_from(min).unwrap_or(0).max(word.len()));
    Ok(long.take(usize::try_from(max).unwrap_or(usize::MAX)).collect())
}

fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-02T03:04:05Z",
        "date" => "2026-01-02",
        "time" => "03:04:05Z",
        "duration" => "PT1S",
        "email" | "idn-email" => "somebody@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "uri-reference" | "iri" | "iri-reference" => "https://example.com/",
        "uuid" => "01234567-89ab-4cde-8f01-23456789abcd",
        "regex" => ".*",
        "json-pointer" => "/a",
        _ => return None,
    })
}
