//! From a plan to the tokens of an answer. Plain data: no time, no channel.

use std::collections::VecDeque;
use std::time::Duration;

use backend::{CallPart, FinishReason, TextAssembler};

use crate::likelihood;
use crate::rules::{Piece, Plan};

/// An answer, token by token.
pub(crate) struct Answer {
    pieces: VecDeque<Raw>,
    /// Tokens that may still be generated.
    left: u32,
    /// Alternatives that are told of each token, where that was asked for.
    logprobs: Option<u32>,
    /// Tokens so far.
    generated: u32,
    /// How it ends where nothing ends it before.
    finish: FinishReason,
    /// There until the answer has ended.
    assembler: Option<TextAssembler>,
}

/// What one token holds.
struct Raw {
    bytes: Vec<u8>,
    what: What,
    /// How long it takes, if not as long as the others.
    time: Option<Duration>,
}

enum What {
    Text,
    Reasoning,
    /// More of a call; its head where there are no bytes.
    Call {
        index: u32,
        head: Option<(String, String)>,
    },
}

/// One token.
#[derive(Debug, PartialEq)]
pub(crate) struct Token {
    /// What became visible.
    pub(crate) token: backend::Token,
    /// Set on the last one.
    pub(crate) ended: Option<FinishReason>,
}

impl Answer {
    pub(crate) fn new(
        plan: Plan,
        bytes_per_token: usize,
        stop: Vec<String>,
        tokens_max: u32,
        logprobs: Option<u32>,
    ) -> Self {
        // What the reply says that it counts as is what the bound is about, not how it was cut here.
        let tokens_max = if counted(&plan).is_some_and(|tokens| tokens <= tokens_max) { u32::MAX } else { tokens_max };
        let default = if plan.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let finish = plan.finish.unwrap_or(default);
        Self {
            pieces: raw(plan, bytes_per_token, tokens_max as usize),
            left: tokens_max,
            logprobs,
            generated: 0,
            finish,
            assembler: Some(TextAssembler::new(stop)),
        }
    }

    /// How long the next token takes, if not as long as the others.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.pieces.front()?.time
    }

    /// Generates the next token. `None` after the last one, which [says](Token::ended) that it is; an answer that may
    /// not have any token is over from the start.
    pub(crate) fn next(&mut self) -> Option<Token> {
        self.left = self.left.checked_sub(1)?;
        let mut assembler = self.assembler.take()?;
        let Some(raw) = self.pieces.pop_front() else {
            // The token after the reply's last one ends it, and what a stop string might have needed is text after all.
            let token = backend::Token::text(assembler.finish());
            return Some(Token { token, ended: Some(self.finish) });
        };
        self.generated += 1;
        let logprob = self.logprobs.map(|top| likelihood::of(&raw.bytes, self.generated, top));
        let mut token = backend::Token { logprob, ..backend::Token::default() };
        let mut stopped = false;
        match raw.what {
            What::Text => {
                let visible = assembler.push(&raw.bytes);
                (token.text, stopped) = (visible.text, visible.stopped);
            }
            What::Reasoning => token.reasoning = String::from_utf8_lossy(&raw.bytes).into_owned(),
            What::Call { index, head } => {
                let (id, name) = head.unzip();
                let arguments = String::from_utf8_lossy(&raw.bytes).into_owned();
                token.calls.push(CallPart { index, id, name, arguments });
            }
        }
        if stopped {
            return Some(Token { token, ended: Some(FinishReason::Stop) });
        }
        if self.left == 0 {
            token.text += &assembler.finish();
            return Some(Token { token, ended: Some(FinishReason::Length) });
        }
        self.assembler = Some(assembler);
        Some(Token { token, ended: None })
    }
}

/// What a plan counts as: as many tokens as it says, or as many as a recording has; `None` where the tokens made of it count.
fn counted(plan: &Plan) -> Option<u32> {
    let is_cut_here = !plan.text.is_empty()
        || !plan.reasoning.is_empty()
        || plan.calls.iter().any(|call| !call.arguments.is_empty() || call.pieces.is_empty());
    let calls = plan.calls.iter().map(|call| 1 + call.pieces.len()).sum::<usize>();
    let pieces = plan.reasoning_pieces.len() + plan.pieces.len() + calls;
    let recorded = u32::try_from(pieces).ok().filter(|pieces| *pieces > 0 && !is_cut_here);
    plan.usage.completion_tokens.or(recorded)
}

/// The tokens of a plan, `max` at most: longer replies are cut, so the rest need not be made.
fn raw(plan: Plan, bytes_per_token: usize, max: usize) -> VecDeque<Raw> {
    let plain = |what: fn() -> What| move |bytes: Vec<u8>| Raw { bytes, what: what(), time: None };
    let timed = |what: fn() -> What| {
        move |piece: Piece| Raw { bytes: piece.1.into_bytes(), what: what(), time: Some(piece.0.0) }
    };
    let mut all = VecDeque::new();
    all.extend(characters(&plan.reasoning, bytes_per_token).take(max).map(plain(|| What::Reasoning)));
    all.extend(plan.reasoning_pieces.into_iter().take(max).map(timed(|| What::Reasoning)));
    // Text is cut anywhere, as a model cuts it: characters are split over tokens.
    all.extend(plan.text.as_bytes().chunks(bytes_per_token).take(max).map(<[u8]>::to_vec).map(plain(|| What::Text)));
    all.extend(plan.pieces.into_iter().take(max).map(timed(|| What::Text)));
    for (index, call) in (0..).zip(plan.calls) {
        let head = Some((call.id, call.name));
        all.push_back(Raw { bytes: Vec::new(), what: What::Call { index, head }, time: None });
        let more = |bytes, time| Raw { bytes, what: What::Call { index, head: None }, time };
        all.extend(characters(&call.arguments, bytes_per_token).take(max).map(|bytes| more(bytes, None)));
        let pieces = call.pieces.into_iter().take(max);
        all.extend(pieces.map(|Piece(time, text)| more(text.into_bytes(), Some(time.0))));
    }
    all
}

/// Pieces of whole characters: of at most so many bytes where a character is not longer.
fn characters(text: &str, bytes_max: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = ends.take_while(|end| *end <= bytes_max).last().unwrap_or(first);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece.as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use backend::FinishReason::{self, Length, Stop, ToolCalls};

    use super::{Answer, Token, characters};
    use crate::rules::{Piece, Plan, PlannedCall, Time, UsageScript};

    fn tokens(reply: &str, bytes_per_token: usize, stop: &str, tokens_max: u32) -> (Vec<String>, Option<FinishReason>) {
        let plan = Plan { text: reply.into(), ..Plan::default() };
        let mut answer = Answer::new(plan, bytes_per_token, vec![stop.into()], tokens_max, None);
        let (mut texts, mut ended) = (Vec::new(), None);
        while let Some(Token { token, ended: last }) = answer.next() {
            assert_eq!(ended, None, "a token after the last one");
            texts.push(token.text);
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

    /// Thoughts, text and calls come in this order, and each call has its head first.
    #[test]
    fn an_answer_of_all_kinds_adds_up_to_its_plan() {
        let calls = ["{\"q\":\"é\"}", "{}"].map(|arguments| PlannedCall {
            id: format!("id-{}", arguments.len()),
            name: "find".into(),
            arguments: arguments.into(),
            pieces: Vec::new(),
        });
        for size in 1..=3 {
            let plan =
                Plan { reasoning: "höm".into(), text: "a🦀".into(), calls: calls.to_vec(), ..Plan::default() };
            let mut answer = Answer::new(plan, size, vec![], u32::MAX, Some(2));
            let (mut thoughts, mut text, mut arguments) =
                (String::new(), String::new(), [String::new(), String::new()]);
            let mut heads = Vec::new();
            let mut ended = None;
            while let Some(Token { token, ended: last }) = answer.next() {
                assert!(token.reasoning.is_empty() || text.is_empty(), "thoughts come first");
                thoughts += &token.reasoning;
                text += &token.text;
                for part in token.calls {
                    heads.extend(part.id.zip(part.name));
                    assert_eq!(heads.len(), part.index as usize + 1, "a call begins with its head");
                    arguments[part.index as usize] += &part.arguments;
                }
                assert_eq!(token.logprob.is_none(), last.is_some(), "every token but the end has its likelihood");
                ended = last;
            }
            assert_eq!((thoughts.as_str(), text.as_str(), ended), ("höm", "a🦀", Some(ToolCalls)));
            assert_eq!(arguments, ["{\"q\":\"é\"}", "{}"]);
            assert_eq!(heads[1], ("id-2".to_owned(), "find".to_owned()));
        }
    }

    /// As a recording has it: another server's tokens, which are fewer or more than those that would be made of it here.
    #[test]
    fn a_reply_counts_as_what_it_says_or_as_its_pieces_and_is_not_cut_before() {
        let piece = |text: &str| Piece(Time::default(), text.into());
        let call = PlannedCall {
            id: "c".into(),
            name: "find".into(),
            arguments: String::new(),
            pieces: vec![piece("{\"a\":"), piece("1}")],
        };
        let recorded = Plan {
            reasoning_pieces: vec![piece("let me see")],
            pieces: vec![piece("a long piece of text")],
            calls: vec![call],
            ..Plan::default()
        };
        let told = UsageScript { completion_tokens: Some(2), ..UsageScript::default() };
        let whole = Plan { text: "nine bytes".into(), usage: told, ..Plan::default() };
        for (plan, counts_as, ended) in [(recorded, 5, ToolCalls), (whole, 2, Stop)] {
            for (max, ended) in [(counts_as, ended), (counts_as - 1, Length)] {
                let mut answer = Answer::new(plan.clone(), 1, vec![], max, None);
                let last = std::iter::from_fn(|| answer.next()).last();
                assert_eq!(last.and_then(|token| token.ended), Some(ended), "{plan:?} within {max}");
            }
        }
    }

    #[test]
    fn characters_are_never_split_and_never_lost() {
        for size in 1..=5 {
            let pieces: Vec<String> =
                characters("né🦀x", size).map(|bytes| String::from_utf8(bytes).unwrap()).collect();
            assert_eq!(pieces.concat(), "né🦀x", "{size}");
        }
        assert_eq!(characters("abcde", 2).count(), 3);
    }
}
