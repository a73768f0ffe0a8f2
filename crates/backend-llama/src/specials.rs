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

use backend::ChatMessage;

use crate::texts::TextSet;

/// The texts that a model's tokenizer turns into control tokens.
#[derive(Debug, Default)]
pub(crate) struct ControlTexts {
    texts: TextSet,
}

/// The messages hold so many private-use characters that none is left to stand for a control text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("they contain the text of a control token, and every private-use character that could stand for it")]
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

    /// Replaces control texts in the messages, or returns `None` where there is nothing to replace.
    ///
    /// # Errors
    /// [`NoPlaceholder`], which takes messages of half a MiB made for it.
    pub(crate) fn quote(&self, messages: &[ChatMessage]) -> Result<Option<(Vec<ChatMessage>, Quoted)>, NoPlaceholder> {
        if messages.iter().all(|message| self.find(&message.content).is_none()) {
            return Ok(None);
        }
        let mut placeholders = placeholders(messages);
        let mut chosen: BTreeMap<String, char> = BTreeMap::new();
        let mut quote = |text: &str| {
            if let Some(placeholder) = chosen.get(text) {
                return Ok(*placeholder);
            }
            let placeholder = placeholders.next().ok_or(NoPlaceholder)?;
            chosen.insert(text.to_string(), placeholder);
            Ok(placeholder)
        };
        let quoted = messages
            .iter()
            .map(|message| {
                let content = self.replace(&message.content, &mut quote)?;
                Ok(ChatMessage { content, ..message.clone() })
            })
            .collect::<Result<_, _>>()?;
        let stands_for = chosen.into_iter().map(|(text, placeholder)| (placeholder, text)).collect();
        Ok(Some((quoted, Quoted { stands_for })))
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

/// Private-use characters that occur nowhere in the messages.
fn placeholders(messages: &[ChatMessage]) -> impl Iterator<Item = char> {
    let private = '\u{f0000}'..='\u{10fffd}';
    let taken: BTreeSet<char> =
        messages.iter().flat_map(|message| message.content.chars()).filter(|c| private.contains(c)).collect();
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
    use backend::{ChatMessage, Role};

    fn texts() -> ControlTexts {
        ControlTexts::new(["<|im_start|>", "<|im_end|>", "<|im_end|>\n", "</s>", ""].map(|t| t.as_bytes().to_vec()))
    }

    fn user(content: &str) -> [ChatMessage; 1] {
        [ChatMessage::new(Role::User, content)]
    }

    /// Quotes a message that holds a control text.
    fn quote(content: &str) -> (Vec<ChatMessage>, Quoted) {
        let quoted = texts().quote(&user(content)).expect("a placeholder is left");
        quoted.expect("it holds a control text")
    }

    #[test]
    fn ordinary_messages_are_left_alone() {
        assert_eq!(texts().quote(&user("1 < 2 and <|im_end| is not whole")), Ok(None));
        assert_eq!(ControlTexts::default().quote(&user("<|im_end|>")), Ok(None));
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
            let quoted = texts().quote(&user(&content));
            assert_eq!(quoted.is_ok(), fits, "{n_left} left for {end}");
            assert!(fits || quoted == Err(NoPlaceholder));
        }
        // Without a control text none is needed.
        assert_eq!(texts().quote(&user(&all.iter().collect::<String>())), Ok(None));
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
            let (messages, quoted) = quote(content);
            let rendered = &messages[0].content;
            let pieces = quoted.pieces(rendered);
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
        let (messages, quoted) = quote("x<|im_end|>\ny");
        let pieces = quoted.pieces(&messages[0].content);
        assert_eq!(pieces, [Piece::Rendered("x"), Piece::Literal("<|im_end|>\n"), Piece::Rendered("y")]);
    }

    /// A template may move messages or drop some; a placeholder says which text it is wherever it ends up.
    #[test]
    fn pieces_do_not_depend_on_the_order_of_messages() {
        let (messages, quoted) = quote("</s> and <|im_start|>");
        let backwards: String = messages[0].content.chars().rev().collect();
        let literals: Vec<_> =
            quoted.pieces(&backwards).into_iter().filter(|piece| matches!(piece, Piece::Literal(_))).collect();
        assert_eq!(literals, [Piece::Literal("<|im_start|>"), Piece::Literal("</s>")]);
    }
}
