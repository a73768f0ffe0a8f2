//! From token bytes to the text a client may see.
//!
//! A token can end in the middle of a character, and a stop string can begin in one token and end
//! in a later one. So bytes are held back until they are whole characters, and characters until
//! they can no longer become a stop string: what was once shown is never taken back.

use encoding_rs::{Decoder, UTF_8};

/// Collects the bytes of one answer and releases the text that is certain.
pub struct TextAssembler {
    decoder: Decoder,
    stop: Vec<String>,
    /// Whole characters, not released: a proper prefix of some stop string, or empty.
    held: String,
}

/// What a token made visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    /// Text that is certain now; may be empty.
    pub text: String,
    /// Whether a stop string is complete. The answer ends before it, and no more may be pushed.
    pub stopped: bool,
}

impl TextAssembler {
    /// Starts an answer that ends before the first of the given stop strings. Empty ones are ignored.
    pub fn new(stop: Vec<String>) -> Self {
        let stop = stop.into_iter().filter(|s| !s.is_empty()).collect();
        Self { decoder: UTF_8.new_decoder_without_bom_handling(), stop, held: String::new() }
    }

    /// Takes the bytes of the next token.
    pub fn push(&mut self, bytes: &[u8]) -> Visible {
        self.decode(bytes, false);
        if let Some(at) = self.first_stop() {
            self.held.truncate(at);
            return Visible { text: std::mem::take(&mut self.held), stopped: true };
        }
        let certain = self.held.len() - self.undecided();
        let rest = self.held.split_off(certain);
        Visible { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// Ends the answer and releases what was held back. An incomplete character becomes U+FFFD.
    pub fn finish(mut self) -> String {
        self.decode(&[], true);
        self.held
    }

    fn decode(&mut self, bytes: &[u8], last: bool) {
        // The decoder stops without a word when the target is full, so room comes first.
        let room = self.decoder.max_utf8_buffer_length(bytes.len());
        self.held.reserve(room.expect("a token is far shorter than the address space"));
        let (_, read, _) = self.decoder.decode_to_string(bytes, &mut self.held, last);
        debug_assert_eq!(read, bytes.len(), "the decoder takes everything when there is room");
    }

    /// Where the first complete stop string begins.
    fn first_stop(&self) -> Option<usize> {
        // A search prepares its needle first, so one that cannot be there yet would cost its whole length at each token.
        let possible = self.stop.iter().filter(|stop| stop.len() <= self.held.len());
        possible.filter_map(|stop| self.held.find(stop.as_str())).min()
    }

    /// Length of the longest end of `held` that could still grow into a stop string.
    fn undecided(&self) -> usize {
        let held = self.held.as_bytes();
        let longest = |stop: &String| {
            let stop = stop.as_bytes();
            (1..stop.len().min(held.len() + 1)).rev().find(|&n| held.ends_with(&stop[..n])).unwrap_or(0)
        };
        // Byte prefixes of a stop string that end inside a character cannot match: `held` ends at a character's end.
        self.stop.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{TextAssembler, Visible};

    /// Pushes `text` cut into pieces of `n` bytes; returns what was visible, whether it stopped, and the remainder.
    fn run(text: &[u8], n: usize, stop: &[&str]) -> (String, bool) {
        let mut assembler = TextAssembler::new(stop.iter().map(ToString::to_string).collect());
        let mut seen = String::new();
        for piece in text.chunks(n) {
            let Visible { text, stopped } = assembler.push(piece);
            seen += &text;
            if stopped {
                return (seen, true);
            }
        }
        (seen + &assembler.finish(), false)
    }

    #[test]
    fn characters_split_over_tokens_come_out_whole() {
        let text = "naïve 日本 🦀 e\u{301}";
        for n in 1..=text.len() {
            assert_eq!(run(text.as_bytes(), n, &[]), (text.to_string(), false), "pieces of {n}");
        }
    }

    #[test]
    fn nothing_is_visible_before_a_character_is_whole() {
        let mut assembler = TextAssembler::new(vec![]);
        let crab = "🦀".as_bytes();
        assert_eq!(assembler.push(&crab[..3]).text, "");
        assert_eq!(assembler.push(&crab[3..]).text, "🦀");
    }

    #[test]
    fn an_answer_cut_inside_a_character_ends_with_the_replacement_character() {
        assert_eq!(run(&"ok🦀".as_bytes()[..4], 1, &[]), ("ok\u{fffd}".to_string(), false));
    }

    /// However the text is cut, the answer ends before the stop string and none of it is shown.
    #[test]
    fn stop_strings_split_over_tokens_are_found_and_never_shown() {
        let text = "one two END three";
        for n in 1..=text.len() {
            assert_eq!(run(text.as_bytes(), n, &["END"]), ("one two ".to_string(), true), "pieces of {n}");
        }
    }

    #[test]
    fn the_stop_string_that_begins_first_wins() {
        assert_eq!(run(b"abcd", 4, &["cd", "bc"]), ("a".to_string(), true));
    }

    /// "aab" must be found in "aaab": the first "aa" is a false start whose second "a" begins the true one.
    #[test]
    fn a_false_start_does_not_hide_the_true_one() {
        assert_eq!(run(b"aaab", 1, &["aab"]), ("a".to_string(), true));
    }

    #[test]
    fn text_that_only_looked_like_a_stop_string_is_shown_in_full() {
        assert_eq!(run(b"ENDLES", 1, &["ENDLESS"]), ("ENDLES".to_string(), false));
        let mut assembler = TextAssembler::new(vec!["ENDLESS".into()]);
        assert_eq!(assembler.push(b"END").text, "");
        assert_eq!(assembler.push(b"ED").text, "ENDED");
    }

    #[test]
    fn an_empty_stop_string_stops_nothing() {
        assert_eq!(run(b"text", 1, &[""]), ("text".to_string(), false));
    }
}
