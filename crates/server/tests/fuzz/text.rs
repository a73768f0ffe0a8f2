//! TOML that somebody wrote wrongly: good files with changes to words and lines, and texts that are none.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What may stand where a value or a key stood.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "1.5",
    "65",
    "1e400",
    "inf",
    "nan",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "0xffffffffffffffff",
    "1_000",
    "1__0",
    "true",
    "false",
    "\"\"",
    "\"x\"",
    "'x'",
    "\"\"\"x\"\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"1ms\"",
    "\"0s\"",
    "\"-1s\"",
    "\"99999999999999d\"",
    "\"1.5h\"",
    "\"ms\"",
    "[]",
    "[[]]",
    "[1]",
    "[\"a\", \"a\"]",
    "{}",
    "{ a = 1 }",
    "{ text = \"x\" }",
    "1979-05-27T07:32:00Z",
    "[server]",
    "[[models]]",
    "[models]",
    "[[rules]]",
    "[limits]",
    "\"127.0.0.1:0\"",
    "\"[::1]:99999\"",
    "\"fast\"",
    "name",
    "\"{{ user }}\"",
    "\"{% for x in y %}\"",
    "\"(?i)^(a+)+$\"",
    "\"(\"",
    "=",
    "#",
    "\n",
    "",
    "\u{feff}",
    "\u{0}",
    "ä",
    "[",
    "{",
    "\"",
];

/// What is put in a line of its own.
const LINES: &[&str] = &[
    "seed = -1",
    "lanes = 0",
    "threads = 4294967296",
    "times = 0",
    "calls = [0]",
    "chance = 1.1",
    "queue_max = 0",
    "reply = []",
    "reply = { text = \"a\", json = true }",
    "reply = { pieces = [[\"1ms\", \"a\"]] }",
    "fault = { status = 99 }",
    "fault = { fail_after = -1 }",
    "when = {}",
    "when = { user_regex = \"[\" }",
    "then = \"stop\"",
    "a.b.c = 1",
    "\"\" = 1",
    "name = \"fast\"",
    "context_len = 1",
    "jitter_percent = 101",
    "[[faults]]",
    "[tiers]",
    "x = \"",
];

/// Texts made of these.
pub(crate) fn texts(good: &'static [&'static str]) -> impl Strategy<Value = String> {
    let changed = (select(good), vec((Change::any(), any::<Index>()), 1..6)).prop_map(|(text, changes)| {
        changes.into_iter().fold(text.to_owned(), |text, (change, at)| change.apply(&text, at))
    });
    prop_oneof![
        1 => any::<String>(),
        1 => vec(prop_oneof![select(WORDS), select(LINES)], 0..20).prop_map(|words| words.join(" ")),
        8 => changed,
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Word(&'static str),
    Line(&'static str),
    Without,
    Again,
    Cut,
    Insert(char),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            6 => select(WORDS).prop_map(Self::Word),
            3 => select(LINES).prop_map(Self::Line),
            2 => Just(Self::Without),
            2 => Just(Self::Again),
            1 => Just(Self::Cut),
            1 => any::<char>().prop_map(Self::Insert),
        ]
    }

    fn apply(&self, text: &str, at: Index) -> String {
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return text.to_owned();
        }
        let line = at.index(lines.len());
        let with = |middle: &[&str]| [&lines[..line], middle, &lines[line + 1..]].concat().join("\n");
        match self {
            Self::Line(new) => with(&[lines[line], new]),
            Self::Without => with(&[]),
            Self::Again => with(&[lines[line], lines[line]]),
            Self::Word(new) => {
                let mut words: Vec<&str> = lines[line].split(' ').collect();
                let word = at.index(words.len());
                words[word] = new;
                with(&[&words.join(" ")])
            }
            Self::Cut | Self::Insert(_) => {
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
                let (before, after) = text.split_at(places[at.index(places.len())]);
                match self {
                    Self::Insert(new) => format!("{before}{new}{after}"),
                    _ => before.to_owned(),
                }
            }
        }
    }
}
