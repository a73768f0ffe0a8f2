//! Reading the part of TOML in which the lists of this repository are written: planted bugs, promises, verdicts.
//!
//! A line such as `[[bug]]` begins an entry; `key = value` follows, where a value is `"text"`, `'''` several lines
//! `'''`, a list of texts, or `true` and `false`. That is little enough to be read by hand, and
//! xtask has no dependencies.

use std::collections::BTreeMap;

/// A value, as far as the list has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
}

/// The keys of one entry.
pub(crate) type Entry = BTreeMap<String, Value>;

/// The entries of `text`, each of which begins with the line `header`, with the number of that line.
///
/// # Errors
/// What is not understood, with its line.
pub(crate) fn entries(text: &str, header: &str) -> Result<Vec<(usize, Entry)>, String> {
    let mut lines = Lines { rest: text, number: 0 };
    let mut entries = Vec::<(usize, Entry)>::new();
    while let Some(line) = lines.next() {
        let at = lines.number;
        match line.trim() {
            "" => {}
            comment if comment.starts_with('#') => {}
            line if line == header => entries.push((at, Entry::new())),
            pair => {
                let (key, value) =
                    pair.split_once('=').ok_or_else(|| format!("line {at}: no `key = value`: {pair}"))?;
                let value = lines.value(value.trim()).map_err(|why| format!("line {at}: {why}"))?;
                let (_, entry) = entries.last_mut().ok_or_else(|| format!("line {at}: no {header} above it"))?;
                if entry.insert(key.trim().to_owned(), value).is_some() {
                    return Err(format!("line {at}: a second `{}` in one entry", key.trim()));
                }
            }
        }
    }
    Ok(entries)
}

/// Takes the text `key` out of an entry.
///
/// # Errors
/// There is none.
pub(crate) fn take_text(entry: &mut Entry, key: &str) -> Result<String, String> {
    match entry.remove(key) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(format!("there is no text `{key}`")),
    }
}

/// Takes the list `key` out of an entry; an empty one where it is absent.
///
/// # Errors
/// It is something else.
pub(crate) fn take_texts(entry: &mut Entry, key: &str) -> Result<Vec<String>, String> {
    match entry.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Texts(texts)) => Ok(texts),
        Some(_) => Err(format!("`{key}` is not a list")),
    }
}

/// The lines that are not read yet.
struct Lines<'a> {
    rest: &'a str,
    /// Of the line read last, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        (self.rest, self.number) = (rest, self.number + 1);
        Some(line)
    }

    /// The value that begins with `start`, on this line and perhaps the next ones.
    fn value(&mut self, start: &str) -> Result<Value, String> {
        match start {
            "true" => Ok(Value::Flag(true)),
            "false" => Ok(Value::Flag(false)),
            _ if start.starts_with("'''") => self.block(&start[3..]).map(Value::Text),
            _ if start.starts_with('[') => self.list(start).map(Value::Texts),
            _ => text(start).map(Value::Text),
        }
    }

    /// Everything up to the next `'''`, as it stands; a line break right after the first one is not
    /// part of it.
    fn block(&mut self, first: &str) -> Result<String, String> {
        let mut block = String::new();
        let mut line = first;
        loop {
            if let Some((end, after)) = line.split_once("'''") {
                block.push_str(end);
                return if after.trim().is_empty() { Ok(block) } else { Err(format!("`{after}` after the end")) };
            }
            if !(block.is_empty() && line.is_empty()) {
                block.push_str(line);
                block.push('\n');
            }
            line = self.next().ok_or("''' has no end")?;
        }
    }

    fn list(&mut self, start: &str) -> Result<Vec<String>, String> {
        let mut inside = start[1..].trim().to_owned();
        while !inside.ends_with(']') {
            inside.push_str(self.next().ok_or("[ has no end")?.trim());
        }
        let items = inside[..inside.len() - 1].split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(text).collect()
    }
}

/// A text in quotes on one line. Escapes are not needed, so a backslash is refused and not guessed at.
fn text(quoted: &str) -> Result<String, String> {
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inside {
        Some(inside) if !inside.contains(['"', '\\']) => Ok(inside.to_owned()),
        _ => Err(format!("not a text in quotes without escapes: {quoted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
# about
[[bug]]
name = "one"
hangs = true
find = '''
    if x {
        y'''
replace = ''''''
tests = [
    "a::b",
    "c",
]

[[bug]]
name = "two"
tests = ["d"]
"#;

    fn text_of(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn entries_are_read_with_the_line_on_which_they_begin() {
        let entries = entries(LIST, "[[bug]]").unwrap();
        assert_eq!(entries.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 15]);
        let (_, one) = &entries[0];
        assert_eq!(one["name"], text_of("one"));
        assert_eq!(one["hangs"], Value::Flag(true));
        assert_eq!(one["find"], text_of("    if x {\n        y"), "white space is kept");
        assert_eq!(one["replace"], text_of(""));
        assert_eq!(one["tests"], Value::Texts(vec!["a::b".to_owned(), "c".to_owned()]));
        assert_eq!(entries[1].1["tests"], Value::Texts(vec!["d".to_owned()]));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line) in [
            ("[[bug]]\nname", 2),
            ("name = \"x\"", 1),
            ("[[bug]]\n\nname = x", 3),
            ("[[bug]]\nname = \"a\\n\"", 2),
            ("[[bug]]\nname = \"a\"\nname = \"b\"", 3),
            ("[[bug]]\nfind = '''\nx", 2),
            ("[[bug]]\ntests = [\"a\"", 2),
            ("[[bug]]\nfind = '''x''' y", 2),
        ] {
            let error = entries(text, "[[bug]]").expect_err(text);
            assert!(error.starts_with(&format!("line {line}: ")), "{text}: {error}");
        }
    }
}
