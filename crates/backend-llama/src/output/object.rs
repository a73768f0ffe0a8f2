//! A call's JSON object, read while it is written.

/// Keys that hold the name of the tool.
const NAME_KEYS: [&str; 2] = ["name", "tool_name"];
/// Keys that hold its arguments.
const ARGUMENTS_KEYS: [&str; 3] = ["arguments", "parameters", "args"];

/// Reads one object, from its brace to the brace that closes it.
#[derive(Debug, Default)]
pub(super) struct ObjectReader {
    raw: String,
    /// What closes the brackets that are open.
    open: Vec<char>,
    /// Where the string begins that is being read.
    string: Option<usize>,
    escaped: bool,
    /// The key whose value is being read, of the outer object.
    key: Option<String>,
    /// Where that value begins.
    value: Option<usize>,
    /// The string that was read last in the outer object, while it may be a key.
    latest: Option<String>,
    name: Option<String>,
    arguments: Option<Arguments>,
}

#[derive(Debug, Clone, Copy)]
struct Arguments {
    begin: usize,
    /// Set when the value is whole.
    end: Option<usize>,
    /// How far they were handed out.
    told: usize,
}

/// What a character did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// The object goes on.
    More,
    /// It is whole.
    Whole,
    /// It is no JSON object.
    Broken,
}

impl ObjectReader {
    /// Everything that was read.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// The tool, once it is known.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn push(&mut self, c: char) -> Read {
        let at = self.raw.len();
        self.raw.push(c);
        if let Some(begin) = self.string {
            self.in_string(c, begin);
            return Read::More;
        }
        if self.key.is_some() && self.value.is_none() && !c.is_ascii_whitespace() && c != ':' {
            self.value = Some(at);
            self.value_begins(at);
        }
        match c {
            '"' => self.string = Some(at),
            '{' => self.open.push('}'),
            '[' => self.open.push(']'),
            '}' | ']' => {
                if self.open.len() == 1 {
                    self.value_ends(at);
                }
                if self.open.pop() != Some(c) {
                    return Read::Broken;
                }
                if self.open.is_empty() {
                    return Read::Whole;
                }
                if self.open.len() == 1 {
                    self.nested_ends(at + 1);
                }
            }
            ':' if self.open.len() == 1 => self.key = self.latest.take(),
            ',' if self.open.len() == 1 => self.value_ends(at),
            ':' | ',' | '-' | '+' | '.' => {}
            c if c.is_ascii_alphanumeric() || c.is_ascii_whitespace() => {}
            _ => return Read::Broken,
        }
        if self.open.is_empty() { Read::Broken } else { Read::More }
    }

    fn in_string(&mut self, c: char, begin: usize) {
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => {
                self.string = None;
                if self.open.len() == 1 {
                    let text = serde_json::from_str(&self.raw[begin..]).ok();
                    self.latest = text;
                }
            }
            _ => {}
        }
    }

    fn value_begins(&mut self, at: usize) {
        if self.key.as_deref().is_some_and(|key| ARGUMENTS_KEYS.contains(&key)) {
            self.arguments = Some(Arguments { begin: at, end: None, told: at });
        }
    }

    /// A value ends before the comma or brace here.
    fn value_ends(&mut self, at: usize) {
        if let (Some(key), Some(begin)) = (self.key.take(), self.value.take()) {
            let value = self.raw[begin..at].trim_end();
            if NAME_KEYS.contains(&key.as_str()) {
                self.name = serde_json::from_str(value).ok();
            }
            let end = begin + value.len();
            self.end_arguments(end);
        }
        self.latest = None;
    }

    /// An object or list of the outer object ended, and with it the value.
    fn nested_ends(&mut self, at: usize) {
        if self.key.as_deref().is_some_and(|key| ARGUMENTS_KEYS.contains(&key)) {
            self.end_arguments(at);
        }
    }

    fn end_arguments(&mut self, at: usize) {
        if let Some(arguments) = self.arguments.as_mut().filter(|arguments| arguments.end.is_none()) {
            arguments.end = Some(at);
        }
    }

    /// What is new of the arguments. `whole` says that the object is.
    pub(super) fn arguments(&mut self, whole: bool) -> String {
        let Some(arguments) = self.arguments.as_mut() else {
            return if whole { "{}".to_string() } else { String::new() };
        };
        let end = arguments.end.unwrap_or(self.raw.len());
        if self.raw[arguments.begin..].starts_with('{') {
            let new = self.raw[arguments.told..end].to_string();
            arguments.told = end;
            return new;
        }
        if !whole {
            return String::new();
        }
        // Some models write the object into a string, and nothing as null.
        match &self.raw[arguments.begin..end] {
            "null" => "{}".to_string(),
            value => serde_json::from_str(value).unwrap_or_else(|_| value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ObjectReader, Read};

    /// Reads a text to its end; returns the name, the parts of the arguments joined, and how it ended.
    fn read(text: &str) -> (Option<String>, String, Read) {
        let mut reader = ObjectReader::default();
        let mut arguments = String::new();
        let mut last = Read::More;
        for c in text.chars() {
            last = reader.push(c);
            if last == Read::Broken {
                break;
            }
            arguments += &reader.arguments(last == Read::Whole);
        }
        (reader.name().map(String::from), arguments, last)
    }

    #[test]
    fn name_and_arguments_are_found_in_any_order_and_nesting() {
        let cases = [
            (r#"{"name": "f", "arguments": {"a": [1, {"b": "}"}]}}"#, r#"{"a": [1, {"b": "}"}]}"#),
            (r#"{"arguments": {"name": "not this"}, "name": "f"}"#, r#"{"name": "not this"}"#),
            (r#"{ "type":"function","name":"f","parameters":{"q":"\"{"} , "id": 3 }"#, r#"{"q":"\"{"}"#),
            (r#"{"tool_name": "f", "parameters": {}}"#, "{}"),
            (r#"{"name": "f"}"#, "{}"),
            (r#"{"name": "f", "arguments": null}"#, "{}"),
            (r#"{"name": "f", "arguments": "{\"a\": 1}"}"#, r#"{"a": 1}"#),
            ("{\"name\": \"f\",\n \"arguments\": {\"é\": \"日\"}\n}", "{\"é\": \"日\"}"),
        ];
        for (text, arguments) in cases {
            assert_eq!(read(text), (Some("f".into()), arguments.into(), Read::Whole), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_found_out() {
        for text in ["{]", "{\"a\": (", "x", "{\"a\": {]}}", "[}"] {
            assert_eq!(read(text).2, Read::Broken, "{text}");
        }
        assert_eq!(read("{\"name\": \"f\", \"arg").2, Read::More);
    }
}
