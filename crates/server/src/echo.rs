//! What a client wrote, said back to it and to the log: shortened, or it could fill both with one request.

use std::borrow::Cow;

/// Characters of a value that are said back.
const VALUE_MAX: usize = 64;

/// Characters of somebody else's sentence that are said back: its beginning, which may hold a value, and its end, which
/// says what would be right.
const SENTENCE_HEAD_MAX: usize = 160;
const SENTENCE_TAIL_MAX: usize = 96;

/// Characters of somebody's account of a request that are said back, which may quote it more than once.
#[cfg(feature = "mock")]
const ACCOUNT_HEAD_MAX: usize = 600;
#[cfg(feature = "mock")]
const ACCOUNT_TAIL_MAX: usize = 200;

/// A value, or its beginning.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    cut(text, VALUE_MAX, 0)
}

/// A sentence that may quote a value, such as a parser's error.
pub(crate) fn sentence(text: &str) -> Cow<'_, str> {
    cut(text, SENTENCE_HEAD_MAX, SENTENCE_TAIL_MAX)
}

/// What is wrong, told at some length, such as by the script of a mock.
#[cfg(feature = "mock")]
pub(crate) fn account(text: &str) -> Cow<'_, str> {
    cut(text, ACCOUNT_HEAD_MAX, ACCOUNT_TAIL_MAX)
}

/// The first and the last characters, if there are more.
fn cut(text: &str, head: usize, tail: usize) -> Cow<'_, str> {
    let Some((begin, _)) = text.char_indices().nth(head) else { return Cow::Borrowed(text) };
    let end = text.char_indices().rev().take(tail).last().map_or(text.len(), |(at, _)| at);
    if end <= begin { Cow::Borrowed(text) } else { Cow::Owned(format!("{}…{}", &text[..begin], &text[end..])) }
}

#[cfg(test)]
mod tests {
    use super::{SENTENCE_HEAD_MAX, SENTENCE_TAIL_MAX, VALUE_MAX, sentence, value};

    #[test]
    fn a_value_is_kept_or_cut_between_characters() {
        let fits = "ä".repeat(VALUE_MAX);
        assert_eq!(value(&fits), fits);
        assert_eq!(value(&format!("{fits}b")), format!("{fits}…"));
        assert_eq!(value(""), "");
    }

    #[test]
    fn a_sentence_keeps_its_beginning_and_its_end() {
        let fits = "x".repeat(SENTENCE_HEAD_MAX + SENTENCE_TAIL_MAX);
        assert_eq!(sentence(&fits), fits);
        let long = format!("invalid type: string \"{}\", expected f64", "ä".repeat(9_000));
        let cut = sentence(&long);
        assert!(cut.starts_with("invalid type: string") && cut.ends_with("\", expected f64"), "{cut}");
        assert_eq!(cut.chars().count(), SENTENCE_HEAD_MAX + 1 + SENTENCE_TAIL_MAX);
    }
}
