//! Harmony: an answer is a sequence of messages, each with a header that says for whom it is.
//!
//! ```text
//! <|channel|>analysis<|message|>thought<|end|>
//! <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{arguments}<|call|>
//! <|start|>assistant<|channel|>final<|message|>said<|return|>
//! ```
//!
//! The prompt ends with `<|start|>assistant`, so the first header is without it. Source: the description of the format
//! that OpenAI published with its open models, <https://cookbook.openai.com/articles/openai-harmony>.

use super::calls::{first, more};
use super::object::{ObjectReader, Read};
use super::{Meaning, undecided};

const START: &str = "<|start|>";
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
/// What ends a message. The next header does, where the model has left out the rest.
const ENDS: [&str; 5] = ["<|end|>", "<|call|>", "<|return|>", START, CHANNEL];
/// What stands before the name of a tool in a header.
const TO: &str = "to=";
/// What may follow such a name.
const NAME_ENDS: [char; 3] = ['<', ' ', '\n'];
/// The namespace of the tools that a client brings.
const FUNCTIONS: &str = "functions.";

/// Marks that an answer holds, though they be control tokens.
pub(super) const MARKS: [&str; 7] = [START, CHANNEL, MESSAGE, "<|end|>", "<|call|>", "<|return|>", "<|constrain|>"];

/// Sorts the messages of one answer.
#[derive(Debug)]
pub(super) struct Channels {
    /// The names of the tools that may be called. If there are none, a message to one is said.
    tools: Vec<String>,
    place: Place,
    /// Text whose meaning is not certain.
    held: String,
    /// Whether a thought was told, and whether something was said.
    thought: bool,
    said: bool,
    n_begun: u32,
    n_whole: u32,
    /// The arguments of the call that is being read, until they are whole.
    arguments: Option<ObjectReader>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of the answer, which may be without a header.
    Start,
    /// Inside a header.
    Header,
    Thought,
    Said {
        fresh: bool,
    },
    Call,
}

impl Channels {
    pub(super) fn new(tools: Vec<String>) -> Self {
        let (place, held) = (Place::Start, String::new());
        Self { tools, place, held, thought: false, said: false, n_begun: 0, n_whole: 0, arguments: None }
    }

    pub(super) fn n_whole(&self) -> u32 {
        self.n_whole
    }

    /// Inside a thought, or in the header of what follows it.
    pub(super) fn is_thinking(&self) -> bool {
        matches!(self.place, Place::Thought | Place::Header)
    }

    pub(super) fn push(&mut self, text: &str, meaning: &mut Meaning) {
        self.held.push_str(text);
        loop {
            let before = (self.place, self.held.len());
            match self.place {
                Place::Start => self.start(),
                Place::Header => self.header(meaning),
                Place::Thought | Place::Said { .. } | Place::Call => self.message(meaning),
            }
            if (self.place, self.held.len()) == before || self.held.is_empty() {
                return;
            }
        }
    }

    fn start(&mut self) {
        let begun = self.held.trim_start();
        let headers = [CHANNEL, START, TO];
        if headers.iter().any(|mark| begun.starts_with(mark)) {
            self.place = Place::Header;
        } else if !headers.iter().any(|mark| mark.starts_with(begun)) {
            self.place = Place::Said { fresh: true };
        }
    }

    fn header(&mut self, meaning: &mut Meaning) {
        let Some(end) = self.held.find(MESSAGE) else { return };
        let header = self.held[..end].to_string();
        self.held.drain(..end + MESSAGE.len());
        let channel = header.split(CHANNEL).nth(1).unwrap_or_default().trim_start();
        let to = header.split_once(TO).map(|(_, to)| to.strip_prefix(FUNCTIONS).unwrap_or(to));
        self.place = match to.filter(|_| !self.tools.is_empty()) {
            Some(to) => {
                // A name may have blanks itself. One that another's is the beginning of is not that other's.
                let is_named = |tool: &&String| {
                    to.strip_prefix(tool.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(NAME_ENDS))
                };
                let known = self.tools.iter().filter(is_named).max_by_key(|tool| tool.len());
                let name = known.map_or_else(|| to.split(NAME_ENDS).next().unwrap_or_default(), String::as_str);
                meaning.calls.push(first(self.n_begun, Some(name.to_string())));
                self.n_begun += 1;
                self.arguments = Some(ObjectReader::default());
                Place::Call
            }
            None if channel.starts_with("analysis") => Place::Thought,
            None => Place::Said { fresh: true },
        };
    }

    /// Takes what is certain of a message.
    fn message(&mut self, meaning: &mut Meaning) {
        let end = ENDS.iter().filter_map(|mark| Some((self.held.find(mark)?, *mark))).min();
        let certain = match end {
            Some((at, _)) => at,
            None => self.held.len() - ENDS.iter().map(|mark| undecided(&self.held, mark)).max().unwrap_or(0),
        };
        // Blanks at the end of a thought or of a call's arguments are not part of it.
        let certain = match self.place {
            Place::Said { .. } => certain,
            _ => self.held[..certain].trim_end().len(),
        };
        let text: String = self.held.drain(..certain).collect();
        self.tell(&text, meaning);
        if let Some((_, mark)) = end {
            self.count_call();
            let at = self.held.find(mark).unwrap_or(0);
            // What begins the next header is part of it.
            let begins = [START, CHANNEL].contains(&mark);
            self.held.drain(..if begins { at } else { at + mark.len() });
            self.place = Place::Header;
        }
    }

    fn tell(&mut self, text: &str, meaning: &mut Meaning) {
        match &mut self.place {
            Place::Thought => {
                let text = if self.thought { text } else { text.trim_start() };
                self.thought |= !text.is_empty();
                meaning.reasoning.push_str(text);
            }
            Place::Said { fresh } if !text.is_empty() => {
                // Two messages are two paragraphs.
                if self.said && std::mem::take(fresh) {
                    meaning.text.push_str("\n\n");
                }
                *fresh = false;
                self.said = true;
                meaning.text.push_str(text);
            }
            Place::Call => {
                more(meaning, self.n_begun, text);
                let is_whole = |reader: &mut ObjectReader| text.chars().any(|c| reader.push(c) == Read::Whole);
                if self.arguments.as_mut().is_some_and(is_whole) {
                    self.count_call();
                }
            }
            _ => {}
        }
    }

    /// A call is whole with the brace that closes its arguments, or else with the mark that ends its message.
    fn count_call(&mut self) {
        self.n_whole += u32::from(self.arguments.take().is_some());
    }

    /// Ends the answer. A call that was cut does not count.
    pub(super) fn finish(&mut self, meaning: &mut Meaning) {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Start | Place::Said { .. } => self.tell(&held, meaning),
            Place::Thought | Place::Call => self.tell(held.trim_end(), meaning),
            // A header without the message that it announces.
            Place::Header => {}
        }
        self.place = Place::Header;
    }
}
