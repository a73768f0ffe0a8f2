//! Feeding a text to the tokenizer piece by piece, for as long as somebody wants the result and it can fit.

use llama_cpp_2::token::LlamaToken;

use crate::engine::CancelFlag;

/// When to stop.
pub(super) struct Feed<'a> {
    /// This many tokens are too many.
    pub(super) full: usize,
    /// The most bytes of text that one token stands for, where that is known.
    pub(super) token_bytes_max: Option<usize>,
    /// Set when nobody waits for the tokens any more.
    pub(super) cancelled: &'a CancelFlag,
}

/// Why there are no tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nobody waits.
    Cancelled,
    /// The text has at least this many tokens, which is too many.
    Full { n_at_least: usize },
}

impl Feed<'_> {
    /// Tokenises pieces that have `n_bytes` of text together.
    ///
    /// Looks before each piece, so what it does after it should stop is one piece at most.
    pub(super) fn run<P: AsRef<str>>(
        &self,
        n_bytes: usize,
        pieces: impl IntoIterator<Item = P>,
        mut tokenize: impl FnMut(P) -> Vec<LlamaToken>,
    ) -> Result<Vec<LlamaToken>, Stop> {
        let mut tokens = Vec::new();
        let mut rest = n_bytes;
        self.check(tokens.len(), rest)?;
        for piece in pieces {
            self.check(tokens.len(), rest)?;
            rest = rest.saturating_sub(piece.as_ref().len());
            tokens.append(&mut tokenize(piece));
        }
        self.check(tokens.len(), rest)?;
        Ok(tokens)
    }

    fn check(&self, n_tokens: usize, rest: usize) -> Result<(), Stop> {
        if self.cancelled.is_set() {
            return Err(Stop::Cancelled);
        }
        let n_at_least = n_tokens + self.token_bytes_max.map_or(0, |bytes| rest.div_ceil(bytes));
        if n_at_least < self.full { Ok(()) } else { Err(Stop::Full { n_at_least }) }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use llama_cpp_2::token::LlamaToken;

    use super::{Feed, Stop};
    use crate::engine::CancelOnDrop;

    /// A tokenizer that makes one token of each byte.
    fn bytes(piece: &str) -> Vec<LlamaToken> {
        piece.bytes().map(|byte| LlamaToken(i32::from(byte))).collect()
    }

    /// Feeds pieces of ten bytes. Returns the outcome and how many pieces the tokenizer saw.
    fn feed(n_pieces: usize, token_bytes_max: Option<usize>) -> (Result<usize, Stop>, usize) {
        let (_cancel, cancelled) = CancelOnDrop::new();
        let mut n_seen = 0;
        let tokenize = |piece| {
            n_seen += 1;
            bytes(piece)
        };
        let feed = Feed { full: 100, token_bytes_max, cancelled: &cancelled };
        let tokens = feed.run(10 * n_pieces, repeat_n("ten bytes.", n_pieces), tokenize);
        (tokens.map(|tokens| tokens.len()), n_seen)
    }

    #[test]
    fn what_fits_is_tokenised_and_nothing_else() {
        assert_eq!(feed(9, None), (Ok(90), 9));
        assert_eq!(feed(10, None), (Err(Stop::Full { n_at_least: 100 }), 10), "counted to the end");
        assert_eq!(feed(1_000_000, None), (Err(Stop::Full { n_at_least: 100 }), 10));
        assert_eq!(feed(0, None), (Ok(0), 0));
    }

    /// With the longest token known, the tokenizer need not see a text that is too long, nor all of one that gets so.
    #[test]
    fn what_cannot_fit_is_refused_before_it_is_tokenised() {
        assert_eq!(feed(50, Some(5)), (Err(Stop::Full { n_at_least: 100 }), 0));
        assert_eq!(feed(1_000_000, Some(5)), (Err(Stop::Full { n_at_least: 2_000_000 }), 0));
        // 49 pieces are 98 tokens at least; the first turns out to be 10 instead of 2.
        assert_eq!(feed(49, Some(5)), (Err(Stop::Full { n_at_least: 10 + 96 }), 1));
        assert_eq!(feed(9, Some(5)), (Ok(90), 9));
    }

    /// Method: the one who waits leaves during the third piece; the fourth must not reach the tokenizer.
    #[test]
    fn nothing_is_tokenised_for_nobody() {
        let (cancel, cancelled) = CancelOnDrop::new();
        let mut cancel = Some(cancel);
        let mut n_seen = 0;
        let tokenize = |piece| {
            n_seen += 1;
            if n_seen == 3 {
                drop(cancel.take());
            }
            bytes(piece)
        };
        let feed = Feed { full: usize::MAX, token_bytes_max: None, cancelled: &cancelled };
        assert_eq!(feed.run(1000, repeat_n("ten bytes.", 100), tokenize), Err(Stop::Cancelled));
        assert_eq!(n_seen, 3);
    }
}
