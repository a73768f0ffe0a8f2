//! Thoughts, kept apart from what is said.

use super::family::Thoughts;
use super::undecided;

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning, where a thought may begin.
    Start,
    Inside,
    /// Past the thought, before anything was said.
    Behind,
    Saying,
}

/// Takes thoughts out of an answer: one, at its beginning. The blanks around it belong to nobody.
#[derive(Debug)]
pub(super) struct Thinking {
    marks: Thoughts,
    place: Place,
    /// Text whose meaning is not certain.
    held: String,
    /// Whether some of the thought was told, so that blanks are part of it.
    told: bool,
}

impl Thinking {
    pub(super) fn new(marks: Thoughts, inside: bool) -> Self {
        let place = if inside { Place::Inside } else { Place::Start };
        Self { marks, place, held: String::new(), told: false }
    }

    pub(super) fn is_inside(&self) -> bool {
        self.place == Place::Inside
    }

    /// Takes more text; returns what is said, and adds what is thought.
    pub(super) fn push(&mut self, text: &str, thought: &mut String) -> String {
        if self.place == Place::Saying {
            return text.to_string();
        }
        self.held.push_str(text);
        loop {
            let before = self.place;
            match self.place {
                Place::Start => self.start(),
                Place::Inside => self.inside(thought),
                Place::Behind => self.behind(),
                Place::Saying => return std::mem::take(&mut self.held),
            }
            if self.place == before {
                return String::new();
            }
        }
    }

    /// What the text begins with, once that is certain.
    fn start(&mut self) {
        let begun = self.held.trim_start();
        if let Some(rest) = begun.strip_prefix(self.marks.begin) {
            self.held = rest.to_string();
            self.place = Place::Inside;
        } else if !self.marks.begin.starts_with(begun) {
            // Blanks before anything else are the answer's own.
            self.place = Place::Saying;
        }
    }

    fn inside(&mut self, thought: &mut String) {
        let (text, ended) = match self.held.find(self.marks.end) {
            Some(at) => (self.held[..at].trim_end().to_string(), Some(at + self.marks.end.len())),
            None => {
                let certain = self.held.len() - undecided(&self.held, self.marks.end);
                (self.held[..certain].trim_end().to_string(), None)
            }
        };
        let fresh = if self.told { text.as_str() } else { text.trim_start() };
        self.told |= !fresh.is_empty();
        thought.push_str(fresh);
        match ended {
            Some(at) => {
                self.held.drain(..at);
                self.place = Place::Behind;
            }
            None => drop(self.held.drain(..text.len())),
        }
    }

    fn behind(&mut self) {
        let said = self.held.trim_start();
        let blanks = self.held.len() - said.len();
        let begun = !said.is_empty();
        self.held.drain(..blanks);
        if begun {
            self.place = Place::Saying;
        }
    }

    /// Ends the answer.
    pub(super) fn finish(&mut self, thought: &mut String) -> String {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Inside => {
                thought.push_str(held.trim_end());
                String::new()
            }
            Place::Start | Place::Saying => held,
            Place::Behind => String::new(),
        }
    }
}
