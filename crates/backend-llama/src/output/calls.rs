//! Calls, taken out of what is said.

use backend::{CallPart, Tool};

use super::elements::{self, ElementReader};
use super::family::{CallFormat, Marks, Shape};
use super::object::{ObjectReader, Read};
use super::{Meaning, undecided};

/// Takes calls out of an answer.
#[derive(Debug)]
pub(super) struct Calls {
    format: CallFormat,
    marks: Marks,
    /// The tools that may be called.
    tools: Vec<Tool>,
    place: Place,
    /// Text whose meaning is not certain, where it is not in the place.
    held: String,
    /// Whether anything was said, so that an object is no call any more.
    said: bool,
    /// Calls that were begun, and those that are whole.
    n_begun: u32,
    n_whole: u32,
}

#[derive(Debug)]
enum Place {
    /// Outside of calls.
    Saying,
    /// Behind a mark: what is before the next call is no text.
    Between { list: bool },
    /// Inside an object. `marked` says that a mark stood before it, so that it is a call whatever it holds.
    Inside { reader: ObjectReader, list: bool, marked: bool, begun: bool },
    /// Inside the name, which the arguments follow.
    Name(String),
    /// Inside the arguments of a call whose name is known.
    Arguments(ObjectReader),
    /// Inside a call whose arguments are elements. `name` once it is known, and how many arguments there were.
    Elements { reader: ElementReader, name: String, n_arguments: u32 },
}

impl Calls {
    pub(super) fn new(format: CallFormat, tools: Vec<Tool>) -> Self {
        let (marks, place) = (format.marks(), Place::Saying);
        Self { format, marks, tools, place, held: String::new(), said: false, n_begun: 0, n_whole: 0 }
    }

    pub(super) fn n_whole(&self) -> u32 {
        self.n_whole
    }

    pub(super) fn push(&mut self, text: &str, meaning: &mut Meaning) {
        for c in text.chars() {
            self.character(c, meaning);
        }
        if matches!(self.place, Place::Saying) {
            self.release(meaning);
        }
    }

    fn character(&mut self, c: char, meaning: &mut Meaning) {
        match &mut self.place {
            Place::Saying => self.saying(c, meaning),
            Place::Between { list } => {
                let list = *list;
                self.between(c, list, meaning);
            }
            Place::Inside { .. } => self.inside(c, meaning),
            Place::Name(_) => self.name(c, meaning),
            Place::Arguments(_) => self.arguments(c, meaning),
            Place::Elements { .. } => self.elements(c, meaning),
        }
    }

    fn saying(&mut self, c: char, meaning: &mut Meaning) {
        if self.marks.bare && !self.said && c == '{' && self.held.trim().is_empty() {
            self.begin_object(false, false, c);
            return;
        }
        self.held.push(c);
        if let Some(mark) = self.openers().find(|mark| self.held.ends_with(mark)) {
            self.held.truncate(self.held.len() - mark.len());
            self.release_before_call(meaning);
            self.pass(mark);
        }
    }

    /// What a call may begin with. Some models leave out the mark of the section.
    fn openers(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.marks.begin, self.marks.item].into_iter().filter(|mark| !mark.is_empty())
    }

    /// Goes past a mark outside of a call.
    fn pass(&mut self, mark: &str) {
        self.held.clear();
        self.place = match self.format.shape() {
            _ if mark == self.marks.end => Place::Saying,
            Shape::Named(_) if mark == self.marks.item => Place::Name(String::new()),
            Shape::Elements(marks) if mark == self.marks.item => begin_elements(marks),
            _ => Place::Between { list: false },
        };
    }

    /// Between calls, or between a mark and a call.
    fn between(&mut self, c: char, list: bool, meaning: &mut Meaning) {
        self.held.push(c);
        let held = self.held.trim_start().to_string();
        let Marks { begin, item, end, over, .. } = self.marks;
        let shape = self.format.shape();
        let lists = shape == Shape::Object;
        let marks = [end, begin, item].into_iter().chain(over.iter().copied()).filter(|mark| !mark.is_empty());
        if let Some(mark) = marks.clone().find(|mark| **mark == held) {
            return self.pass(mark);
        }
        if marks.clone().any(|mark| mark.starts_with(&held) && !held.is_empty()) && !(held == "[" && lists) {
            return;
        }
        match c {
            '{' if held == "{" => self.begin_object(list, true, c),
            '[' if held == "[" && lists => {
                self.held.clear();
                self.place = Place::Between { list: true };
            }
            ']' if list && held == "]" => {
                self.held.clear();
                self.place = Place::Between { list: false };
            }
            ',' | ';' if held.len() == 1 => self.held.clear(),
            _ if held.is_empty() => {}
            _ if let Shape::Named(_) = shape => {
                self.held.clear();
                self.place = Place::Name(held);
            }
            _ if let Shape::Elements(marks) = shape
                && item.is_empty() =>
            {
                self.held.clear();
                self.place = begin_elements(marks);
                held.chars().for_each(|c| self.elements(c, meaning));
            }
            // No call follows, so it is said after all.
            _ => {
                let mark = if self.n_begun == 0 { self.marks.begin } else { "" };
                self.held.insert_str(0, mark);
                self.place = Place::Saying;
                self.release(meaning);
            }
        }
    }

    fn begin_object(&mut self, list: bool, marked: bool, c: char) {
        let mut reader = ObjectReader::default();
        reader.push(c);
        self.place = Place::Inside { reader, list, marked, begun: false };
        if marked {
            self.held.clear();
        }
    }

    fn inside(&mut self, c: char, meaning: &mut Meaning) {
        let Place::Inside { reader, list, marked, begun } = &mut self.place else { return };
        let read = reader.push(c);
        let known = reader.name().is_some_and(|name| *marked || self.tools.iter().any(|tool| tool.name == name));
        if read == Read::Broken || (read == Read::Whole && !known) {
            let raw = if *begun { String::new() } else { reader.raw().to_string() };
            self.held.push_str(&raw);
            self.place = Place::Saying;
            self.said = true;
            return self.release(meaning);
        }
        let whole = read == Read::Whole;
        if known {
            let arguments = reader.arguments(whole);
            if !*begun && (whole || !arguments.is_empty()) {
                let name = reader.name().map(String::from);
                *begun = true;
                meaning.calls.push(first(self.n_begun, name));
                self.n_begun += 1;
            }
            more(meaning, self.n_begun, &arguments);
        }
        if whole {
            let list = *list;
            self.n_whole += 1;
            self.held.clear();
            self.place = Place::Between { list };
        }
    }

    fn name(&mut self, c: char, meaning: &mut Meaning) {
        let Place::Name(name) = &mut self.place else { return };
        if c != '{' {
            name.push(c);
            return;
        }
        let name = self.format.name_in(name).to_string();
        meaning.calls.push(first(self.n_begun, Some(name)));
        self.n_begun += 1;
        let mut reader = ObjectReader::default();
        reader.push(c);
        more(meaning, self.n_begun, "{");
        self.place = Place::Arguments(reader);
    }

    fn arguments(&mut self, c: char, meaning: &mut Meaning) {
        let Place::Arguments(reader) = &mut self.place else { return };
        let read = reader.push(c);
        if read != Read::Broken {
            more(meaning, self.n_begun, c.encode_utf8(&mut [0; 4]));
        }
        if read != Read::More {
            self.n_whole += 1;
            self.place = Place::Between { list: false };
        }
    }

    fn elements(&mut self, c: char, meaning: &mut Meaning) {
        let Place::Elements { reader, name, n_arguments } = &mut self.place else { return };
        let arguments = match reader.push(c) {
            elements::Read::More => return,
            elements::Read::Name(found) => {
                meaning.calls.push(first(self.n_begun, Some(found.clone())));
                self.n_begun += 1;
                *name = found;
                return;
            }
            elements::Read::Argument { key, text } => {
                let value = elements::value(&self.tools, name, &key, &text);
                let before = if *n_arguments == 0 { "{" } else { ", " };
                *n_arguments += 1;
                format!("{before}{}: {value}", serde_json::Value::from(key))
            }
            elements::Read::Whole => {
                let arguments = if *n_arguments == 0 { "{}" } else { "}" };
                self.n_whole += 1;
                self.held.clear();
                let over = reader.end() == self.marks.end;
                self.place = if over { Place::Saying } else { Place::Between { list: false } };
                arguments.to_string()
            }
        };
        more(meaning, self.n_begun, &arguments);
    }

    /// Says what is certain.
    fn release(&mut self, meaning: &mut Meaning) {
        // Blanks before a call that begins an answer are not said.
        if !self.said && (self.marks.bare || self.n_begun > 0) && self.held.trim().is_empty() {
            return;
        }
        let undecided = self.openers().map(|mark| undecided(&self.held, mark)).max();
        let certain = self.held.len() - undecided.unwrap_or(0);
        // Nor those between what is said and a call.
        let certain = if undecided.is_none() { certain } else { self.held[..certain].trim_end().len() };
        let said: String = self.held.drain(..certain).collect();
        self.said |= !said.trim().is_empty();
        meaning.text.push_str(&said);
    }

    /// Says what stands before a call.
    fn release_before_call(&mut self, meaning: &mut Meaning) {
        let said = std::mem::take(&mut self.held);
        let said = said.trim_end();
        self.said |= !said.is_empty();
        meaning.text.push_str(said);
    }

    /// Ends the answer.
    pub(super) fn finish(&mut self, meaning: &mut Meaning) {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.place, Place::Saying) {
            // Blanks behind the last call are not said.
            Place::Saying if self.n_begun > 0 && held.trim().is_empty() => {}
            Place::Saying => meaning.text.push_str(&held),
            Place::Inside { reader, begun: false, .. } => {
                meaning.text.push_str(&held);
                meaning.text.push_str(reader.raw());
            }
            _ => {}
        }
    }
}

fn begin_elements(marks: &'static elements::Elements) -> Place {
    Place::Elements { reader: ElementReader::new(marks), name: String::new(), n_arguments: 0 }
}

pub(super) fn first(index: u32, name: Option<String>) -> CallPart {
    CallPart { index, id: None, name, arguments: String::new() }
}

/// Adds to the call that was begun last.
pub(super) fn more(meaning: &mut Meaning, n_begun: u32, arguments: &str) {
    if arguments.is_empty() {
        return;
    }
    let index = n_begun - 1;
    match meaning.calls.last_mut().filter(|part| part.index == index) {
        Some(part) => part.arguments.push_str(arguments),
        None => meaning.calls.push(CallPart { index, arguments: arguments.to_string(), ..CallPart::default() }),
    }
}
