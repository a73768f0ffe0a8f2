//! Calls whose arguments are elements of their own, with values as plain text: Qwen3-Coder, GLM-4.5.
//!
//! What a value is, a text or a number, only the tool's schema tells.

use backend::Tool;
use serde_json::Value;

/// The marks of such a call, between the mark that begins it and its last one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elements {
    /// What may end the name. A `<` is the beginning of the next mark as well.
    pub(crate) name_ends: &'static [char],
    /// Around the name of an argument.
    pub(crate) key: [&'static str; 2],
    /// Around its value. The first is empty where the name's end is its beginning.
    pub(crate) value: [&'static str; 2],
    /// Whether a value stands on lines of its own, whose ends are not part of it.
    pub(crate) lines: bool,
    /// Ends the call.
    pub(crate) end: &'static str,
}

/// Reads one call, from its name to its end.
#[derive(Debug)]
pub(super) struct ElementReader {
    marks: &'static Elements,
    held: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Name,
    /// Before the name of an argument, or the end.
    Between,
    Key,
    BeforeValue(String),
    Value(String),
}

/// What a character made certain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    More,
    Name(String),
    Argument { key: String, text: String },
    Whole,
}

impl ElementReader {
    pub(super) fn new(marks: &'static Elements) -> Self {
        Self { marks, held: String::new(), place: Place::Name }
    }

    pub(super) fn push(&mut self, c: char) -> Read {
        self.held.push(c);
        let (marks, begun) = (self.marks, self.held.trim_start().len());
        let begun = &self.held[self.held.len() - begun..];
        match &mut self.place {
            Place::Name if marks.name_ends.contains(&c) && begun.len() > c.len_utf8() => {
                let name = begun[..begun.len() - c.len_utf8()].trim_end().to_string();
                self.held = if c == '<' { c.to_string() } else { String::new() };
                self.place = Place::Between;
                return Read::Name(name);
            }
            Place::Between | Place::BeforeValue(_) if begun == marks.end => return Read::Whole,
            Place::Between if begun == marks.key[0] => self.enter(Place::Key),
            // Something else between two arguments means nothing.
            Place::Between if ![marks.end, marks.key[0]].iter().any(|mark| mark.starts_with(begun)) => {
                self.held = if c == '<' { c.to_string() } else { String::new() };
            }
            Place::Key => {
                if let Some(key) = begun.strip_suffix(marks.key[1]) {
                    let key = key.trim_end().to_string();
                    self.enter(if marks.value[0].is_empty() { Place::Value(key) } else { Place::BeforeValue(key) });
                }
            }
            Place::BeforeValue(key) if begun == marks.value[0] => {
                let key = std::mem::take(key);
                self.enter(Place::Value(key));
            }
            Place::Value(key) => {
                if let Some(text) = self.held.strip_suffix(marks.value[1]) {
                    let text = if marks.lines { without_line_ends(text) } else { text }.to_string();
                    let key = std::mem::take(key);
                    self.enter(Place::Between);
                    return Read::Argument { key, text };
                }
            }
            Place::Name | Place::Between | Place::BeforeValue(_) => {}
        }
        Read::More
    }

    /// The mark that ends the call.
    pub(super) fn end(&self) -> &'static str {
        self.marks.end
    }

    fn enter(&mut self, place: Place) {
        self.held.clear();
        self.place = place;
    }
}

fn without_line_ends(text: &str) -> &str {
    let text = text.strip_prefix('\n').unwrap_or(text);
    text.strip_suffix('\n').unwrap_or(text)
}

/// The value of an argument that was written as this text. Where the tool wants a text it is one, though it look like a
/// number; where it wants something else and this is not JSON, the text is all there is.
pub(super) fn value(tools: &[Tool], tool: &str, key: &str, text: &str) -> Value {
    let is_text = tools.iter().find(|known| known.name == tool).is_none_or(|tool| takes_text(tool, key));
    let read = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    if is_text { Value::from(text) } else { read() }
}

/// Whether an argument is declared as a text, or not at all.
fn takes_text(tool: &Tool, key: &str) -> bool {
    let schema = tool.parameters.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(declared) = schema.as_ref().and_then(|schema| schema.get("properties")?.get(key)) else { return true };
    is_text(declared)
}

/// Whether all that a schema allows is text.
pub(super) fn is_text(schema: &Value) -> bool {
    match (schema.get("type"), schema.get("enum")) {
        (Some(Value::String(name)), _) => name == "string",
        (None, Some(Value::Array(values))) => values.iter().all(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text stays one though it look like a number, and a number is one where it is wanted.
    #[test]
    fn the_schema_says_what_a_value_is() {
        let schema = r#"{"properties": {"zip": {"type": "string"}, "n": {"type": ["integer", "null"]},
            "unit": {"enum": ["1", "2"]}, "any": {"anyOf": [{"type": "boolean"}, {"type": "string"}]}}}"#;
        let tools = [Tool { name: "get".into(), description: None, parameters: Some(schema.into()) }];
        let cases = [
            ("zip", "00120", Value::from("00120")),
            ("n", "7", Value::from(7)),
            ("n", "null", Value::Null),
            ("n", "seven", Value::from("seven")),
            ("unit", "1", Value::from("1")),
            ("any", "true", Value::from(true)),
            ("any", "yes", Value::from("yes")),
            ("unknown", "1", Value::from("1")),
        ];
        for (key, text, expected) in cases {
            assert_eq!(value(&tools, "get", key, text), expected, "{key}: {text}");
        }
        assert_eq!(value(&tools, "put", "n", "7"), Value::from("7"), "of a tool that nobody knows");
    }
}
