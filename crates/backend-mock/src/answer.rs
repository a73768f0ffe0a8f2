//! From a reply to the tokens of an answer. Plain data: no time, no channel.

use backend::{FinishReason, TextAssembler};

/// An answer, token by token.
pub(crate) struct Answer {
    reply: Vec<u8>,
    /// Bytes of the reply that were generated.
    generated: usize,
    bytes_per_token: usize,
    /// Tokens that may still be generated.
    left: u32,
    /// There until the answer has ended.
    assembler: Option<TextAssembler>,
}

/// One token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// What became visible.
    pub(crate) text: String,
    /// Set on the last one.
    pub(crate) ended: Option<FinishReason>,
}

impl Answer {
    pub(crate) fn new(reply: String, bytes_per_token: usize, stop: Vec<String>, tokens_max: u32) -> Self {
        let assembler = Some(TextAssembler::new(stop));
        Self { reply: reply.into_bytes(), generated: 0, bytes_per_token, left: tokens_max, assembler }
    }

    /// Generates the next token. `None` after the last one, which [says](Token::ended) that it is; an answer that may
    /// not have any token is over from the start.
    pub(crate) fn next(&mut self) -> Option<Token> {
        self.left = self.left.checked_sub(1)?;
        let mut assembler = self.assembler.take()?;
        let rest = &self.reply[self.generated..];
        let bytes = &rest[..rest.len().min(self.bytes_per_token)];
        self.generated += bytes.len();
        if bytes.is_empty() {
            // The token after the reply's last one ends it, and what a stop string might have needed is text after all.
            return Some(Token { text: assembler.finish(), ended: Some(FinishReason::Stop) });
        }
        let visible = assembler.push(bytes);
        if visible.stopped {
            return Some(Token { text: visible.text, ended: Some(FinishReason::Stop) });
        }
        if self.left == 0 {
            return Some(Token { text: visible.text + &assembler.finish(), ended: Some(FinishReason::Length) });
        }
        self.assembler = Some(assembler);
        Some(Token { text: visible.text, ended: None })
    }
}

#[cfg(test)]
mod tests {
    use backend::FinishReason::{self, Length, Stop};

    use super::{Answer, Token};

    fn tokens(reply: &str, bytes_per_token: usize, stop: &str, tokens_max: u32) -> (Vec<String>, Option<FinishReason>) {
        let mut answer = Answer::new(reply.into(), bytes_per_token, vec![stop.into()], tokens_max);
        let (mut texts, mut ended) = (Vec::new(), None);
        while let Some(Token { text, ended: last }) = answer.next() {
            assert_eq!(ended, None, "a token after the last one");
            texts.push(text);
            ended = last;
        }
        (texts, ended)
    }

    #[test]
    fn the_end_of_a_reply_is_a_token_of_its_own() {
        assert_eq!(tokens("abc", 1, "", 9), (vec!["a".into(), "b".into(), "c".into(), String::new()], Some(Stop)));
        assert_eq!(tokens("", 1, "", 9), (vec![String::new()], Some(Stop)));
    }

    #[test]
    fn the_bound_counts_the_end_token_too() {
        assert_eq!(tokens("ab", 1, "", 2).1, Some(Length));
        assert_eq!(tokens("ab", 1, "", 3).1, Some(Stop));
        assert_eq!(tokens("ab", 1, "", 0), (vec![], None));
        assert_eq!(tokens("", 1, "", 0), (vec![], None));
    }

    #[test]
    fn characters_are_split_over_tokens() {
        assert_eq!(tokens("é🦀", 1, "", 9).0, ["", "é", "", "", "", "🦀", ""]);
        assert_eq!(tokens("é🦀", 3, "", 9).0, ["é", "🦀", ""]);
    }

    #[test]
    fn a_stop_string_ends_the_answer_before_it_and_held_text_comes_at_the_end() {
        assert_eq!(
            tokens("a stop", 1, "st", 9),
            (vec!["a".into(), " ".into(), String::new(), String::new()], Some(Stop))
        );
        assert_eq!(tokens("xst", 1, "stop", 9).0, ["x", "", "", "st"]);
        assert_eq!(tokens("xst", 1, "stop", 3), (vec!["x".into(), String::new(), "st".into()], Some(Length)));
    }
}
