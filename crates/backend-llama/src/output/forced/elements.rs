//! Grammars of calls whose arguments are elements.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::constraint::{quoted, with_options};
use crate::output::elements::{Elements, is_text};

/// Writes the rules of the arguments of tool number `n`, and returns what stands for them in order: those that are required,
/// and the others if the model wants. What the schema says beyond its `properties` is not asked of them.
///
/// `mark` writes a mark, or a text without marks.
pub(super) fn arguments(
    n: usize,
    schema: &Value,
    marks: &Elements,
    mark: &dyn Fn(&str) -> String,
    rules: &mut String,
) -> String {
    let none = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let is_required = |key: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|name| name == key))
    };
    let line = if marks.lines { "\n" } else { "" };
    let [key_begin, key_end] = marks.key.map(mark);
    let [value_begin, value_end] = marks.value.map(mark);
    let mut all = String::new();
    for (k, (key, declared)) in properties.iter().enumerate() {
        // The value begins on a line of its own in any case, before its mark or behind it.
        let _ =
            writeln!(rules, "e{n}_{k}: {key_begin} {} {key_end} \"\\n\" {value_begin} v{n}_{k} \"\\n\"", quoted(key));
        let end = format!("{} {value_end}", mark(line));
        let _ = match texts(declared) {
            // A control token is no text, so that any text ends before it.
            Some(texts) if texts.is_empty() && value_end.starts_with("<[") => {
                writeln!(rules, "v{n}_{k}: t{n}_{k}? {end}\nt{n}_{k}: /(?s:.+)/")
            }
            Some(texts) if texts.is_empty() => {
                writeln!(rules, "v{n}_{k}[suffix={}]: /(?s:.*)/", quoted(&format!("{line}{}", marks.value[1])))
            }
            Some(texts) => writeln!(rules, "v{n}_{k}: ({}) {end}", texts.join(" | ")),
            None => writeln!(rules, "v{n}_{k}: j{n}_{k} {end}\nj{n}_{k}: %json {}", part(schema, declared)),
        };
        let _ = write!(all, " e{n}_{k}{}", if is_required(key) { "" } else { "?" });
    }
    all
}

/// The texts that an argument may be, or none where it may be any; `None` where it is not a text.
fn texts(declared: &Value) -> Option<Vec<String>> {
    let only = |value: &Value| value.as_str().map(quoted);
    match (declared.get("enum").and_then(Value::as_array), declared.get("const")) {
        _ if !is_text(declared) => None,
        (Some(values), _) => Some(values.iter().filter_map(only).collect()),
        (None, Some(value)) => only(value).map(|text| vec![text]),
        (None, None) => Some(Vec::new()),
    }
}

/// The schema of one argument, with what it may refer to.
fn part(schema: &Value, declared: &Value) -> Value {
    let mut part = if declared.is_object() { declared.clone() } else { json!({}) };
    for key in ["$defs", "definitions"] {
        if let Some(definitions) = schema.get(key) {
            part[key] = definitions.clone();
        }
    }
    with_options(part)
}
