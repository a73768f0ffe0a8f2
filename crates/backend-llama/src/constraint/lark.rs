//! Rules, written in the notation that llguidance reads.
//!
//! A grammar without recursion becomes one regular expression, whose steps are quick. In any other each character is a
//! terminal of its own: a longer one would take what the rule after it needs, because terminals are greedy and rules
//! are not.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::gbnf::{Choice, Grammar, Item};

/// How long the written rules may get. One that refers to another twice, and so on, doubles with every line.
const EXPANDED_BYTES_MAX: usize = 1024 * 1024;

/// How far rules may refer to rules that refer to rules, before they count as recursive.
const EXPANDED_DEPTH_MAX: usize = 64;

/// Writes a grammar.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn write(grammar: &Grammar) -> Result<String, String> {
    let mut regex = String::new();
    let whole = Whole { rules: &grammar.rules };
    if whole.choice(&grammar.rules[0], 0, &mut regex).is_some() {
        return Ok(format!("start: /{regex}/\n"));
    }
    let mut writer = Writer { characters: BTreeMap::new() };
    let mut out = String::from("start: r0\n");
    for (number, rule) in grammar.rules.iter().enumerate() {
        let _ = write!(out, "r{number}: ");
        writer.choice(rule, &mut out);
        out.push('\n');
    }
    for (regex, name) in &writer.characters {
        let _ = writeln!(out, "{name}: /{regex}/");
    }
    Ok(out)
}

/// A text as a string of that notation.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a grammar as one regular expression, while that can be done.
struct Whole<'a> {
    rules: &'a [Choice],
}

impl Whole<'_> {
    /// `None` where the grammar is recursive, too long, or knows tokens.
    fn choice(&self, choice: &Choice, depth: usize, out: &mut String) -> Option<()> {
        out.push_str("(?:");
        for (n, sequence) in choice.iter().enumerate() {
            if n > 0 {
                out.push('|');
            }
            for item in sequence {
                self.item(item, depth, out)?;
            }
        }
        out.push(')');
        Some(())
    }

    fn item(&self, item: &Item, depth: usize, out: &mut String) -> Option<()> {
        if out.len() > EXPANDED_BYTES_MAX || depth > EXPANDED_DEPTH_MAX {
            return None;
        }
        match item {
            Item::Any | Item::Class { .. } => out.push_str(&character(item)),
            Item::Rule(number) => self.choice(&self.rules[*number], depth + 1, out)?,
            Item::Group(choice) => self.choice(choice, depth + 1, out)?,
            Item::Repeat(item, min, max) => {
                out.push_str("(?:");
                self.item(item, depth + 1, out)?;
                out.push(')');
                out.push_str(&times(*min, *max));
            }
            Item::Token { .. } => return None,
        }
        Some(())
    }
}

/// Writes a grammar rule by rule.
struct Writer {
    /// The terminals, by their regular expressions.
    characters: BTreeMap<String, String>,
}

impl Writer {
    fn choice(&mut self, choice: &Choice, out: &mut String) {
        for (n, sequence) in choice.iter().enumerate() {
            if n > 0 {
                out.push_str(" | ");
            }
            if sequence.is_empty() {
                out.push_str("\"\"");
            }
            for item in sequence {
                self.item(item, out);
                out.push(' ');
            }
        }
    }

    fn item(&mut self, item: &Item, out: &mut String) {
        match item {
            Item::Any | Item::Class { .. } => {
                let next = self.characters.len();
                out.push_str(self.characters.entry(character(item)).or_insert_with(|| format!("C{next}")));
            }
            Item::Rule(number) => {
                let _ = write!(out, "r{number}");
            }
            Item::Group(choice) => {
                out.push('(');
                self.choice(choice, out);
                out.push(')');
            }
            Item::Repeat(item, min, max) => {
                out.push('(');
                self.item(item, out);
                out.push(')');
                out.push_str(&times(*min, *max));
            }
            Item::Token { negated, token } => {
                let _ = write!(out, "<[{}{token}]>", if *negated { "^" } else { "" });
            }
        }
    }
}

fn times(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "*".to_string(),
        (1, None) => "+".to_string(),
        (0, Some(1)) => "?".to_string(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
}

/// One character as a regular expression. Numbers need no quoting, whatever they stand for.
fn character(item: &Item) -> String {
    let Item::Class { negated, ranges } = item else { return r"(?s:.)".to_string() };
    let mut out = String::from(if *negated { "[^" } else { "[" });
    for (first, last) in ranges {
        let _ = write!(out, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(*first), u32::from(*last));
    }
    out.push(']');
    out
}
