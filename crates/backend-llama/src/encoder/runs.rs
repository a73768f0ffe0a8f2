//! Long runs, which must not reach the tokenizer in one piece.
//!
//! A third of llama.cpp's byte-pair tokenizers first split a text with `std::regex`, whose matcher
//! calls itself once per character. A word of 8000 letters, or as many blanks, then overflows a stack
//! of 2 MiB, which ends the process: one request could do that. None of their rules matches across
//! more than a few changes between blank and other characters (the one that does is refused at
//! load), so runs without such a change are bounded here.
//!
//! People do not write such runs. Where there is one, a cut can change the tokens next to it, and nothing else.

use crate::specials::ControlTexts;

/// Characters of one run that the tokenizer may see together. About half a KiB of stack each, and up to three
/// runs in a match.
const RUN_MAX: usize = 1024;

/// Cuts a text where a run gets too long, and never inside a control text.
pub(super) fn cut<'a>(text: &'a str, controls: &ControlTexts) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut run = 0;
    let mut blank = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() != blank {
            blank = !blank;
            run = 0;
        }
        if run == RUN_MAX {
            let end = controls.around(text, at).filter(|&start| start > begin).unwrap_or(at);
            pieces.push(&text[begin..end]);
            begin = end;
            run = text[begin..at].chars().count();
        }
        run += 1;
    }
    pieces.push(&text[begin..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::{RUN_MAX, cut};
    use crate::specials::ControlTexts;

    fn controls() -> ControlTexts {
        ControlTexts::new([b"<|im_end|>".to_vec()])
    }

    #[test]
    fn ordinary_text_stays_whole() {
        for text in [String::new(), "Hi".to_string(), "ten words ".repeat(10_000), "é".repeat(RUN_MAX)] {
            assert_eq!(cut(&text, &controls()), [text.as_str()]);
        }
    }

    #[test]
    fn long_runs_are_cut_and_nothing_is_lost() {
        for unit in ["a", "é", "\u{1f980}", " ", "\n"] {
            let text = format!("Look: {} end", unit.repeat(5 * RUN_MAX + 7));
            let pieces = cut(&text, &controls());
            assert_eq!(pieces.concat(), text);
            assert!(pieces.len() >= 6, "{unit:?}");
            for piece in pieces {
                let longest = piece.chars().filter(|c| unit.contains(*c)).count();
                assert!(longest <= RUN_MAX + 1, "{longest} of {unit:?}");
            }
        }
    }

    /// The end of a turn often follows a message without a blank between them.
    /// Method: a run that ends at every place around the bound, with a control text behind it.
    #[test]
    fn a_control_text_is_never_cut() {
        for n in RUN_MAX - 20..RUN_MAX + 20 {
            let text = format!("{}<|im_end|>{}", "a".repeat(n), "b".repeat(RUN_MAX));
            let pieces = cut(&text, &controls());
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().any(|piece| piece.contains("<|im_end|>")), "{n}");
        }
    }
}
