//! JSON the way Python writes it.
//!
//! minijinja's own filter escapes `<`, `>`, `&` and `'` for HTML. A model was trained on what Python's
//! `json.dumps` writes, so that is what it should read.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// Writes a value with Python's separators, or one item per line when `indent` is given.
pub(super) fn dump(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let mut out = String::new();
    write_value(&mut out, value, indent, 0)?;
    Ok(out)
}

fn write_value(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => write_string(out, value.as_str().unwrap_or_default()),
        ValueKind::Map => {
            let entries = value.try_iter()?.map(|key| {
                let item = value.get_item(&key)?;
                Ok((Some(key), item))
            });
            write_items(out, ['{', '}'], entries, indent, depth)?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.map(|item| Ok((None, item)));
            write_items(out, ['[', ']'], items, indent, depth)?;
        }
        kind => {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is not JSON serializable")));
        }
    }
    Ok(())
}

fn write_items(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = Result<(Option<Value>, Value), Error>>,
    indent: Option<usize>,
    depth: usize,
) -> Result<(), Error> {
    let new_line = |out: &mut String, depth: usize| {
        if let Some(width) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    };
    out.push(open);
    let mut empty = true;
    for item in items {
        let (key, item) = item?;
        if !empty {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        empty = false;
        new_line(out, depth + 1);
        if let Some(key) = key {
            write_string(out, &key.to_string());
            out.push_str(": ");
        }
        write_value(out, &item, indent, depth + 1)?;
    }
    if !empty {
        new_line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::dump;
    use minijinja::{Value, context};

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = context! {
            text => "a \"b\" <c> é\n\u{1}",
            list => Value::from_iter([1, 2]),
            none => Value::from(()),
            yes => true,
            empty => Value::from_iter(Vec::<i32>::new()),
        };
        let expected = r#"{"text": "a \"b\" <c> é\n\u0001", "list": [1, 2], "none": null, "yes": true, "empty": []}"#;
        assert_eq!(dump(&value, None).unwrap(), expected);
    }

    #[test]
    fn an_indent_puts_one_item_on_a_line() {
        let value = context! { a => Value::from_iter([1]), b => context! {} };
        assert_eq!(dump(&value, Some(2)).unwrap(), "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    }
}
