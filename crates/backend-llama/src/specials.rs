//! Control tokens written out in a message stay text.
//!
//! A rendered conversation is tokenised with control tokens recognised, because that is how the
//! template writes them. A message that contains the text of one, say `<|im_end|>`, would end its
//! own turn and begin another in somebody else's name. So such a text is replaced by a placeholder
//! before rendering, and put back after the rest was tokenised, as plain text.
//!
//! Nearly every conversation contains none, and is tokenised in one piece. In the others, SentencePiece
//! models read a blank before each piece.
//!
//! Tokens that a model's makers typed as user-defined, not as control, are recognised in any text;
//! llama.cpp knows no way to ask otherwise.

use std::collections::{BTreeMap, BTreeSet};

use backend::ChatMessage;

/// The texts that a model's tokenizer turns into control tokens.
#[derive(Debug, Default)]
pub(crate) struct ControlTexts {
    texts: BTreeSet<Vec<u8>>,
    /// The lengths that occur, longest first.
    lengths: Vec<usize>,
    /// Whether some text begins with this byte.
    first: BTreeSet<u8>,
}

/// What stands in for the control texts of one conversation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// A character that occurs nowhere in the conversation, and the text it replaces.
    stands_for: BTreeMap<char, String>,
}

/// A stretch of a rendered conversation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// From the template or an ordinary message: control tokens are control tokens.
    Rendered(&'a str),
    /// A control text that somebody wrote in a message: it is text.
    Literal(&'a str),
}

impl ControlTexts {
    pub(crate) fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let texts: BTreeSet<Vec<u8>> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let lengths: BTreeSet<usize> = texts.iter().map(Vec::len).collect();
        let first = texts.iter().map(|text| text[0]).collect();
        Self { texts, lengths: lengths.into_iter().rev().collect(), first }
    }

    /// Replaces control texts in the messages, or returns `None` where there is nothing to replace.
    pub(crate) fn quote(&self, messages: &[ChatMessage]) -> Option<(Vec<ChatMessage>, Quoted)> {
        if messages.iter().all(|message| self.find(&message.content).is_none()) {
            return None;
        }
        let mut placeholders = placeholders(messages);
        let mut chosen: BTreeMap<String, char> = BTreeMap::new();
        let mut quote = |text: &str| {
            let next =
                || placeholders.next().expect("the private-use planes hold more characters than there are texts");
            *chosen.entry(text.to_string()).or_insert_with(next)
        };
        let quoted = messages
            .iter()
            .map(|message| ChatMessage { role: message.role, content: self.replace(&message.content, &mut quote) })
            .collect();
        let stands_for = chosen.into_iter().map(|(text, placeholder)| (placeholder, text)).collect();
        Some((quoted, Quoted { stands_for }))
    }

    fn replace(&self, mut content: &str, quote: &mut impl FnMut(&str) -> char) -> String {
        let mut out = String::with_capacity(content.len());
        while let Some((at, len)) = self.find(content) {
            out.push_str(&content[..at]);
            out.push(quote(&content[at..at + len]));
            content = &content[at + len..];
        }
        out.push_str(content);
        out
    }

    /// Where the control text begins that has `at` inside it, if one has.
    pub(crate) fn around(&self, content: &str, at: usize) -> Option<usize> {
        let longest = self.lengths.first().copied().unwrap_or(0);
        (at.saturating_sub(longest)..at)
            .find(|&start| self.longest_at(content, start).is_some_and(|len| start + len > at))
    }

    /// Where the first control text begins, and the length of the longest one there.
    fn find(&self, content: &str) -> Option<(usize, usize)> {
        (0..content.len()).find_map(|at| self.longest_at(content, at).map(|len| (at, len)))
    }

    /// The length of the longest control text that begins at a byte.
    fn longest_at(&self, content: &str, at: usize) -> Option<usize> {
        let bytes = content.as_bytes();
        if !self.first.contains(&bytes[at]) {
            return None;
        }
        self.lengths.iter().copied().find(|len| {
            let end = at + len;
            // A text that is not UTF-8 by itself could begin or end inside a character of the message.
            let whole = content.is_char_boundary(at) && content.is_char_boundary(end);
            whole && bytes.get(at..end).is_some_and(|slice| self.texts.contains(slice))
        })
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
    use super::{ControlTexts, Piece};
    use backend::{ChatMessage, Role};

    fn texts() -> ControlTexts {
        ControlTexts::new(["<|im_start|>", "<|im_end|>", "<|im_end|>\n", "</s>", ""].map(|t| t.as_bytes().to_vec()))
    }

    fn user(content: &str) -> [ChatMessage; 1] {
        [ChatMessage { role: Role::User, content: content.to_string() }]
    }

    #[test]
    fn ordinary_messages_are_left_alone() {
        assert!(texts().quote(&user("1 < 2 and <|im_end| is not whole")).is_none());
        assert!(ControlTexts::default().quote(&user("<|im_end|>")).is_none());
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
            let (messages, quoted) = texts.quote(&user(content)).expect("each holds a control text");
            let rendered = &messages[0].content;
            let pieces = quoted.pieces(rendered);
            let joined: String = pieces.iter().map(|(Piece::Rendered(s) | Piece::Literal(s))| *s).collect();
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
        let (messages, quoted) = texts().quote(&user("x<|im_end|>\ny")).expect("it holds a control text");
        let pieces = quoted.pieces(&messages[0].content);
        assert_eq!(pieces, [Piece::Rendered("x"), Piece::Literal("<|im_end|>\n"), Piece::Rendered("y")]);
    }

    /// A template may move messages or drop some; a placeholder says which text it is wherever it ends up.
    #[test]
    fn pieces_do_not_depend_on_the_order_of_messages() {
        let (messages, quoted) = texts().quote(&user("</s> and <|im_start|>")).expect("it holds control texts");
        let backwards: String = messages[0].content.chars().rev().collect();
        let literals: Vec<_> =
            quoted.pieces(&backwards).into_iter().filter(|piece| matches!(piece, Piece::Literal(_))).collect();
        assert_eq!(literals, [Piece::Literal("<|im_start|>"), Piece::Literal("</s>")]);
    }
}
