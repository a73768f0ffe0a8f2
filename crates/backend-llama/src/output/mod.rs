//! What the text of an answer means: thoughts, calls, and what is said.
//!
//! Text comes in pieces as it is generated and leaves as soon as its meaning is certain. The two crates that do this
//! (`tool-parser`, `reasoning-parser`) were looked at and not taken: their parsers are asynchronous and want the types
//! of OpenAI's protocol, hold back whole calls in most formats, and bring ninety crates along.
//!
//! Not here: bytes, stop strings, which tokens may follow.

mod calls;
mod channels;
mod elements;
mod family;
mod forced;
mod object;
mod thoughts;

use backend::{CallPart, Tool};

use self::calls::Calls;
use self::channels::Channels;
use self::family::CallFormat;
pub(crate) use self::family::Family;
pub(crate) use self::forced::grammar as forced_grammar;
use self::thoughts::Thinking;

/// What became certain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<CallPart>,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Reader(Reading);

#[derive(Debug)]
enum Reading {
    /// Thoughts and calls stand between marks.
    Marked { thinking: Option<Thinking>, calls: Option<Calls> },
    /// Everything is a message in a channel.
    Channels(Channels),
}

impl Reader {
    /// A reader of plain text, to which nothing means anything.
    pub(crate) fn plain() -> Self {
        Self(Reading::Marked { thinking: None, calls: None })
    }

    /// A reader for an answer in a conversation.
    ///
    /// `tools` are those that may be called; `thinks_already` says that the prompt began a thought.
    pub(crate) fn new(family: Family, tools: &[Tool], thinks_already: bool) -> Self {
        let format = family.calls.filter(|_| !tools.is_empty());
        if family.channels {
            let tools = if format == Some(CallFormat::Harmony) { tools } else { &[] };
            let names = tools.iter().map(|tool| tool.name.clone()).collect();
            return Self(Reading::Channels(Channels::new(names)));
        }
        let thinking = family.thoughts.map(|thoughts| Thinking::new(thoughts, thinks_already));
        Self(Reading::Marked { thinking, calls: format.map(|format| Calls::new(format, tools.to_vec())) })
    }

    /// Takes more of the answer.
    pub(crate) fn push(&mut self, text: &str) -> Meaning {
        let mut meaning = Meaning::default();
        match &mut self.0 {
            Reading::Channels(channels) => channels.push(text, &mut meaning),
            Reading::Marked { thinking: None, calls } => say(calls, text, &mut meaning),
            Reading::Marked { thinking: Some(thinking), calls } => {
                let said = thinking.push(text, &mut meaning.reasoning);
                say(calls, &said, &mut meaning);
            }
        }
        meaning
    }

    /// Ends the answer, and takes what was held back.
    pub(crate) fn finish(&mut self) -> Meaning {
        let mut meaning = Meaning::default();
        match &mut self.0 {
            Reading::Channels(channels) => channels.finish(&mut meaning),
            Reading::Marked { thinking, calls } => {
                if let Some(thinking) = thinking {
                    let said = thinking.finish(&mut meaning.reasoning);
                    say(calls, &said, &mut meaning);
                }
                if let Some(calls) = calls {
                    calls.finish(&mut meaning);
                }
            }
        }
        meaning
    }

    /// Calls that are whole.
    pub(crate) fn n_calls(&self) -> u32 {
        match &self.0 {
            Reading::Channels(channels) => channels.n_whole(),
            Reading::Marked { calls, .. } => calls.as_ref().map_or(0, Calls::n_whole),
        }
    }

    /// Whether the answer is inside a thought, or on its way from one to what is said.
    pub(crate) fn is_thinking(&self) -> bool {
        match &self.0 {
            Reading::Channels(channels) => channels.is_thinking(),
            Reading::Marked { thinking, .. } => thinking.as_ref().is_some_and(Thinking::is_inside),
        }
    }
}

fn say(calls: &mut Option<Calls>, said: &str, meaning: &mut Meaning) {
    match calls {
        None => meaning.text.push_str(said),
        Some(calls) => calls.push(said, meaning),
    }
}

/// The length of the longest end of a text that a mark may begin with.
fn undecided(text: &str, mark: &str) -> usize {
    let most = text.len().min(mark.len().saturating_sub(1));
    (1..=most).rev().find(|&n| text.as_bytes().ends_with(&mark.as_bytes()[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests;
