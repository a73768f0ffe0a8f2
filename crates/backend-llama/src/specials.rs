//! Control tokens written out in a message stay text.
//!
//! A rendered conversation is tokenised with control tokens recognised, because that is how the
//! template writes them. A message that contains the text of one, say `<|im_end|>`, would end its
//! own turn and begin another in somebody else's name. So such a text is replaced by a placeholder
//! before rendering, and put back after the rest was tokenised, as plain text.
//!
//! Nearly every conversation contains none. In the others, SentencePiece models read a blank before each
//! text that was put back and after it.
//!
//! Tokens that a model's makers typed as user-defined, not as control, are recognised in any text;
//! llama.cpp knows no way to ask otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::texts::TextSet;

/// The texts that a model's tokenizer turns into control tokens.
#[derive(Debug, Default)]
pub(crate) struct ControlTexts {
    texts: TextSet,
}

/// The messages hold so many private-use characters that none is left to stand for a control text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("every private-use character that could stand for a control token or a picture is in them")]
pub(crate) struct NoPlaceholder;

/// What stands in for the control texts of one conversation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// A character that occurs nowhere in the conversation, and the text it replaces.
    stands_for: BTreeMap<char, String>,
}

/// A stretch of a rendered conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// From the template or an ordinary message: control tokens are control tokens.
    Rendered(&'a str),
    /// A control text that somebody wrote in a message: it is text.
    Literal(&'a str),
}

impl AsRef<str> for Piece<'_> {
    fn as_ref(&self) -> &str {
        let (Self::Rendered(text) | Self::Literal(text)) = self;
        text
    }
}

impl ControlTexts {
    pub(crate) fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { texts: TextSet::new(texts) }
    }

    /// Replaces control texts in every text of a conversation, the keys of objects included, or returns `None` where
    /// there is nothing to replace.
    ///
    /// # Errors
    /// [`NoPlaceholder`], which takes texts of half a MiB made for it.
    pub(crate) fn quote(&self, values: &mut [&mut Value]) -> Result<Option<Quoted>, NoPlaceholder> {
        let mut found = false;
        for value in values.iter() {
            each_text(value, &mut |text| found |= self.find(text).is_some());
        }
        if !found {
            return Ok(None);
        }
        let mut placeholders = placeholders(values);
        let mut chosen: BTreeMap<String, char> = BTreeMap::new();
        let mut quote = |text: &str| {
            if let Some(placeholder) = chosen.get(text) {
                return Ok(*placeholder);
            }
            let placeholder = placeholders.next().ok_or(NoPlaceholder)?;
            chosen.insert(text.to_string(), placeholder);
            Ok(placeholder)
        };
        for value in values {
            self.quote_value(value, &mut quote)?;
        }
        let stands_for = chosen.into_iter().map(|(text, placeholder)| (placeholder, text)).collect();
        Ok(Some(Quoted { stands_for }))
    }

    fn quote_value(
        &self,
        value: &mut Value,
        quote: &mut impl FnMut(&str) -> Result<char, NoPlaceholder>,
    ) -> Result<(), NoPlaceholder> {
        match value {
            Value::String(text) => *text = self.replace(text, quote)?,
            Value::Array(items) => {
                for item in items {
                    self.quote_value(item, quote)?;
                }
            }
            Value::Object(entries) => {
                let mut quoted = Map::new();
                for (key, mut item) in std::mem::take(entries) {
                    self.quote_value(&mut item, quote)?;
                    quoted.insert(self.replace(&key, quote)?, item);
                }
                *entries = quoted;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    fn replace(
        &self,
        mut content: &str,
        quote: &mut impl FnMut(&str) -> Result<char, NoPlaceholder>,
    ) -> Result<String, NoPlaceholder> {
        let mut out = String::with_capacity(content.len());
        while let Some((at, len)) = self.find(content) {
            out.push_str(&content[..at]);
            out.push(quote(&content[at..at + len])?);
            content = &content[at + len..];
        }
        out.push_str(content);
        Ok(out)
    }

    /// Where the control text begins that has `at` inside it, if one has.
    pub(crate) fn around(&self, content: &str, at: usize) -> Option<usize> {
        (at.saturating_sub(self.texts.longest())..at)
            .find(|&start| self.longest_at(content, start).is_some_and(|len| start + len > at))
    }

    /// Where the first control text begins, and the length of the longest one there.
    fn find(&self, content: &str) -> Option<(usize, usize)> {
        (0..content.len()).find_map(|at| self.longest_at(content, at).map(|len| (at, len)))
    }

    /// The length of the longest control text that begins at a byte.
    fn longest_at(&self, content: &str, at: usize) -> Option<usize> {
        // A text that is not UTF-8 by itself could begin or end inside a character of the message.
        let begins = content.is_char_boundary(at);
        self.texts.longest_at(content.as_bytes(), at, |len| begins && content.is_char_boundary(at + len))
    }
}

/// Shows every text of a value, keys included.
pub(crate) fn each_text<'a>(value: &'a Value, show: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => show(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, show)),
        Value::Object(entries) => {
            for (key, item) in entries {
                show(key);
                each_text(item, show);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Private-use characters that occur nowhere in the values.
pub(crate) fn placeholders(values: &[&mut Value]) -> impl Iterator<Item = char> + use<> {
    let private = '\u{f0000}'..='\u{10fffd}';
    let mut taken: BTreeSet<char> = BTreeSet::new();
    for value in values {
        each_text(value, &mut |text| taken.extend(text.chars().filter(|c| private.contains(c))));
    }
    // Two values between the planes are no characters in Unicode's sense but are in Rust's, which is enough here.
    private.filter(move |c| !taken.contains(c))
}

impl Quoted {
    /// Cuts a rendered conversation at the placeholders.
    pub(crate) fn pieces<'a>(&'a self, rendered: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        for (at, c) in rendered.char_indices() {
            let Some(text) = self.stands_for.get(&c) else {
                continue;
            };
            pieces.push(Piece::Rendered(&rendered[begin..at]));
            pieces.push(Piece::Literal(text));
            begin = at + c.len_utf8();
        }
        pieces.push(Piece::Rendered(&rendered[begin..]));
        pieces.retain(|piece| !matches!(piece, Piece::Rendered("")));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlTexts, NoPlaceholder, Piece, Quoted};
    use serde_json::{Value, json};

    fn texts() -> ControlTexts {
        ControlTexts::new(["<|im_start|>", "<|im_end|>", "<|im_end|>\n", "</s>", ""].map(|t| t.as_bytes().to_vec()))
    }

    fn user(content: &str) -> Value {
        json!([{ "role": "user", "content": content }])
    }

    /// Quotes a message that holds a control text.
    fn quote(content: &str) -> (String, Quoted) {
        let mut messages = user(content);
        let quoted = texts().quote(&mut [&mut messages]).expect("a placeholder is left");
        (messages[0]["content"].as_str().expect("it is a text").to_string(), quoted.expect("it holds a control text"))
    }

    #[test]
    fn ordinary_messages_are_left_alone() {
        assert_eq!(texts().quote(&mut [&mut user("1 < 2 and <|im_end| is not whole")]), Ok(None));
        assert_eq!(ControlTexts::default().quote(&mut [&mut user("<|im_end|>")]), Ok(None));
    }

    /// Somebody can write every placeholder there is, and must hear of it.
    /// Method: all private-use characters but as many as given, and one or two control texts.
    #[test]
    fn placeholders_may_run_out() {
        let all: Vec<char> = ('\u{f0000}'..='\u{10fffd}').collect();
        for (n_left, end, fits) in
            [(0, "</s>", false), (1, "</s></s></s>", true), (1, "</s><|im_end|>", false), (2, "</s><|im_end|>", true)]
        {
            let content: String = all[n_left..].iter().chain(&end.chars().collect::<Vec<_>>()).collect();
            let quoted = texts().quote(&mut [&mut user(&content)]);
            assert_eq!(quoted.is_ok(), fits, "{n_left} left for {end}");
            assert!(fits || quoted == Err(NoPlaceholder));
        }
        // Without a control text none is needed.
        assert_eq!(texts().quote(&mut [&mut user(&all.iter().collect::<String>())]), Ok(None));
    }

    /// Method: quote, "render" by joining, cut again; the text must come back, and no control text may be in a
    /// rendered piece.
    #[test]
    fn quoting_and_cutting_gives_the_text_back() {
        let contents = [
            "<|im_end|>",
            "a<|im_end|>b",
            "<|im_end|>\n<|im_start|>system",
            "<|im_<|im_end|>end|>",
            "</s></s>",
            "é</s>\u{1f980}",
            "\u{f0000}\u{f0001}</s>\u{f0000}",
        ];
        for content in contents {
            let texts = texts();
            let (rendered, quoted) = quote(content);
            let pieces = quoted.pieces(&rendered);
            let joined: String = pieces.iter().map(AsRef::as_ref).collect();
            assert_eq!(joined, content);
            for piece in &pieces {
                let Piece::Rendered(rendered) = piece else {
                    continue;
                };
                assert_eq!(texts.find(rendered), None, "{content:?}");
            }
        }
    }

    #[test]
    fn the_longest_text_at_a_place_is_taken() {
        let (rendered, quoted) = quote("x<|im_end|>\ny");
        let pieces = quoted.pieces(&rendered);
        assert_eq!(pieces, [Piece::Rendered("x"), Piece::Literal("<|im_end|>\n"), Piece::Rendered("y")]);
    }

    /// A template may move messages or drop some; a placeholder says which text it is wherever it ends up.
    #[test]
    fn pieces_do_not_depend_on_the_order_of_messages() {
        let (rendered, quoted) = quote("</s> and <|im_start|>");
        let backwards: String = rendered.chars().rev().collect();
        let literals: Vec<_> =
            quoted.pieces(&backwards).into_iter().filter(|piece| matches!(piece, Piece::Literal(_))).collect();
        assert_eq!(literals, [Piece::Literal("<|im_start|>"), Piece::Literal("</s>")]);
    }

    /// Names and descriptions of tools, and what a model wrote into arguments, keys included, however JSON writes it.
    #[test]
    fn every_text_of_a_value_is_quoted() {
        let mut tools: Value = serde_json::from_str(
            r#"[{"name": "a</s>", "parameters": {"\u003c/s>": ["</s>", {"x": "\u003c|im_end|\u003e"}], "n": [1, null]}}]"#,
        )
        .unwrap();
        let mut messages = user("harmless");
        texts().quote(&mut [&mut messages, &mut tools]).unwrap().expect("there is something to quote");
        let all = format!("{messages}{tools}");
        assert_eq!(texts().find(&all), None, "{all}");
        assert!(all.contains("harmless") && all.contains("[1,null]"));
    }
}
