//! What the text of an answer means: thoughts, calls, and what is said.
//!
//! Text comes in pieces as it is generated and leaves as soon as its meaning is certain. The two crates that do this
//! (`tool-parser`, `reasoning-parser`) were looked at and not taken: their parsers are asynchronous and want the types
//! of OpenAI's protocol, hold back whole calls in most formats, and bring ninety crates along.
//!
//! Not here: bytes, stop strings, which tokens may follow.

mod calls;
mod family;
mod forced;
mod object;
mod thoughts;

use backend::CallPart;

use self::calls::Calls;
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
pub(crate) struct Reader {
    thinking: Option<Thinking>,
    calls: Option<Calls>,
}

impl Reader {
    /// A reader of plain text, to which nothing means anything.
    pub(crate) fn plain() -> Self {
        Self { thinking: None, calls: None }
    }

    /// A reader for an answer in a conversation.
    ///
    /// `tools` are the names of those that may be called; `thinks_already` says that the prompt began a thought.
    pub(crate) fn new(family: Family, tools: Vec<String>, thinks_already: bool) -> Self {
        let thinking = family.thoughts.map(|thoughts| Thinking::new(thoughts, thinks_already));
        let calls = family.calls.filter(|_| !tools.is_empty()).map(|format| Calls::new(format, tools));
        Self { thinking, calls }
    }

    /// Takes more of the answer.
    pub(crate) fn push(&mut self, text: &str) -> Meaning {
        let mut meaning = Meaning::default();
        let said = match &mut self.thinking {
            None => text.to_string(),
            Some(thinking) => thinking.push(text, &mut meaning.reasoning),
        };
        self.say(&said, &mut meaning);
        meaning
    }

    /// Ends the answer, and takes what was held back.
    pub(crate) fn finish(&mut self) -> Meaning {
        let mut meaning = Meaning::default();
        if let Some(thinking) = &mut self.thinking {
            let said = thinking.finish(&mut meaning.reasoning);
            self.say(&said, &mut meaning);
        }
        if let Some(calls) = &mut self.calls {
            calls.finish(&mut meaning);
        }
        meaning
    }

    fn say(&mut self, said: &str, meaning: &mut Meaning) {
        match &mut self.calls {
            None => meaning.text.push_str(said),
            Some(calls) => calls.push(said, meaning),
        }
    }

    /// Calls that are whole.
    pub(crate) fn n_calls(&self) -> u32 {
        self.calls.as_ref().map_or(0, Calls::n_whole)
    }

    /// Whether the answer is inside a thought, or may still begin with one.
    pub(crate) fn is_thinking(&self) -> bool {
        self.thinking.as_ref().is_some_and(Thinking::is_inside)
    }
}

/// The length of the longest end of a text that a mark may begin with.
fn undecided(text: &str, mark: &str) -> usize {
    let most = text.len().min(mark.len().saturating_sub(1));
    (1..=most).rev().find(|&n| text.as_bytes().ends_with(&mark.as_bytes()[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests;
