//! Where a text may be cut without a change to its tokens.
//!
//! Before anything else llama.cpp takes the special tokens out of a text, longest first, and tokenises
//! what lies between them piece by piece, each as if it were alone. It walks its list of pieces from
//! the front for every special token it finds, so its work grows with the square of their number:
//! twenty thousand short messages in one call took ten seconds. Cut into pieces, they take what their
//! length says.
//!
//! A special token is a border where no other special text reaches over its ends: then it is found
//! whatever stands beside it. The cut is made before it and not behind, since some tokens take the
//! blanks that follow them; those that take the blanks before them are no borders.
//!
//! Plain text of any length stays in one piece: what a tokenizer makes of it may depend on all of it.
//! So does a run of special texts that overlap, such as Gemma's tokens for many line ends.

use crate::texts::TextSet;

/// A piece ends at the first border after this many bytes. Far below it a call costs more than the text,
/// far above it the special tokens of one piece do.
const PIECE_BYTES: usize = 4 * 1024;

/// The texts that a tokenizer recognises when it is told to parse special tokens.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    texts: TextSet,
    /// Those before which a text must not be cut.
    sticky: TextSet,
}

impl Borders {
    /// Takes each text, and whether the tokenizer removes blanks before it.
    pub(crate) fn new(texts: impl IntoIterator<Item = (Vec<u8>, bool)>) -> Self {
        let texts: Vec<(Vec<u8>, bool)> = texts.into_iter().collect();
        // A token that takes the blanks behind it may take the beginning of this one.
        let blank = |text: &[u8]| text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
        let sticky = texts.iter().filter(|(text, strips)| *strips || blank(text)).map(|(text, _)| text.clone());
        Self { sticky: TextSet::new(sticky), texts: TextSet::new(texts.iter().map(|(text, _)| text.clone())) }
    }

    /// Cuts a text at borders into pieces of a few KiB, as far as there are borders.
    pub(super) fn cut<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        self.cut_after(text, PIECE_BYTES)
    }

    fn cut_after<'a>(&'a self, text: &'a str, piece_bytes: usize) -> impl Iterator<Item = &'a str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let (piece, behind) = rest.split_at(self.border(rest, piece_bytes).unwrap_or(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// The first border at or behind a byte. The text itself begins at one.
    fn border(&self, text: &str, from: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = 0;
        // From the front, because what reaches over `from` may begin long before it.
        while at < bytes.len() {
            let Some(len) = self.texts.longest_at(bytes, at, |_| true) else {
                at += 1;
                continue;
            };
            let end = self.end_of_overlap(bytes, at, at + len);
            if at >= from && end == at + len && text.is_char_boundary(at) && !self.is_sticky(bytes, at, len) {
                return Some(at);
            }
            at = end;
        }
        None
    }

    /// Where the texts end that overlap with the one between these places, and with one another.
    fn end_of_overlap(&self, bytes: &[u8], begin: usize, mut end: usize) -> usize {
        let mut at = begin + 1;
        while at < end {
            if let Some(len) = self.texts.longest_at(bytes, at, |_| true) {
                end = end.max(at + len);
            }
            at += 1;
        }
        end
    }

    fn is_sticky(&self, bytes: &[u8], at: usize, len: usize) -> bool {
        self.sticky.longest_at(bytes, at, |sticky| sticky == len).is_some()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Borders, PIECE_BYTES};

    /// Numbers that look random, the same in each run.
    pub(crate) struct Draw(u64);

    impl Draw {
        pub(crate) fn new(seed: u64) -> Self {
            println!("seed={seed}");
            Self(seed)
        }

        pub(crate) fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).expect("31 bits fit") % n
        }

        /// A text of up to `n_max` of these parts.
        pub(crate) fn text(&mut self, parts: &[&str], n_max: usize) -> String {
            (0..self.below(n_max + 1)).map(|_| parts[self.below(parts.len())]).collect()
        }
    }

    impl Borders {
        pub(crate) fn cut_small<'a>(&'a self, text: &'a str, piece_bytes: usize) -> impl Iterator<Item = &'a str> {
            self.cut_after(text, piece_bytes)
        }
    }

    /// A special token of the model below.
    #[derive(Clone, Copy)]
    struct Special {
        text: &'static str,
        strips_left: bool,
        strips_right: bool,
    }

    const fn special(text: &'static str, strips_left: bool, strips_right: bool) -> Special {
        Special { text, strips_left, strips_right }
    }

    /// What llama.cpp's first step leaves: special texts, and the stretches of other text between them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Part {
        Special(String),
        Other(String),
    }

    /// That step in as few words as it takes: for each special text, the longest first, all of its occurrences from
    /// the left in what is left over.
    fn partition(text: &str, specials: &[Special]) -> Vec<Part> {
        let mut specials = specials.to_vec();
        specials.sort_by_key(|special| std::cmp::Reverse(special.text.len()));
        let mut parts = vec![Part::Other(text.to_string())];
        for special in specials {
            parts = parts.into_iter().flat_map(|part| take_out(part, special)).collect();
        }
        parts
    }

    fn take_out(part: Part, special: Special) -> Vec<Part> {
        let Part::Other(text) = part else { return vec![part] };
        let mut rest = text.as_str();
        let mut parts = Vec::new();
        while let Some(at) = rest.find(special.text) {
            let (left, right) = (&rest[..at], &rest[at + special.text.len()..]);
            let left = if special.strips_left { left.trim_ascii_end() } else { left };
            parts.extend([Part::Other(left.to_string()), Part::Special(special.text.to_string())]);
            rest = if special.strips_right { right.trim_ascii_start() } else { right };
        }
        parts.push(Part::Other(rest.to_string()));
        parts.retain(|part| *part != Part::Other(String::new()));
        parts
    }

    /// A cut changes nothing: not where texts overlap or hold one another, not where blanks are taken away.
    /// Method: generated texts full of special texts and parts of them, in a model of llama.cpp's first step, cut and
    /// uncut.
    #[test]
    fn a_cut_text_falls_into_the_same_parts() {
        let ordinary = [special("<s>", false, false), special("</s>", false, false), special("<s>\n", false, false)];
        let overlapping = [
            special("<s>", false, false),
            special("s></", false, false),
            special("aaa", false, false),
            special("aa", false, false),
            special("><", false, false),
            special("\n\n", false, false),
        ];
        let stripping = [
            special("<s>", false, true),
            special("</s>", true, false),
            special("<mask>", true, true),
            special(" aa", false, false),
        ];
        let parts = ["<s>", "</s>", "<mask>", "<", ">", "s", "a", "aa", " ", " ", "\n", "\n\n", "é", "b"];
        let mut draw = Draw::new(1);
        let mut n_pieces = 0;
        for specials in [&ordinary[..], &overlapping, &stripping] {
            let borders = Borders::new(specials.iter().map(|s| (s.text.as_bytes().to_vec(), s.strips_left)));
            for _ in 0..20_000 {
                let text = draw.text(&parts, 24);
                let pieces: Vec<&str> = borders.cut_small(&text, 1 + draw.below(8)).collect();
                assert_eq!(pieces.concat(), text);
                n_pieces += pieces.len();
                let cut: Vec<Part> = pieces.iter().flat_map(|piece| partition(piece, specials)).collect();
                assert_eq!(cut, partition(&text, specials), "{text:?} as {pieces:?}");
            }
        }
        assert!(n_pieces > 100_000, "only {n_pieces} pieces: the texts were hardly cut");
    }

    #[test]
    fn pieces_are_a_few_kibibytes_where_there_are_borders() {
        let borders = Borders::new([(b"<s>".to_vec(), false)]);
        let text = "some words<s>".repeat(100_000);
        let pieces: Vec<&str> = borders.cut(&text).collect();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES + 13), "a piece is too long");
        assert!(pieces.len() <= 1 + text.len() / PIECE_BYTES, "{} pieces", pieces.len());
        let plain = "some words".repeat(100_000);
        assert_eq!(borders.cut(&plain).collect::<Vec<_>>(), [plain.as_str()]);
        assert_eq!(borders.cut("").count(), 0);
        assert_eq!(Borders::default().cut(&text).count(), 1, "unknown borders are none");
    }
}
