//! A history, request by request: what the oracles look at.

use std::collections::BTreeMap;
use std::time::Duration;

use backend_mock::{Leave, Visit, What as Engine};
use serving::Outcome;

use crate::history::{Entry, Head, History, What};
use crate::world::{Ask, Model, World};

/// A history and what was asked in it.
pub struct Facts<'a> {
    /// The world.
    pub world: &'a World,
    /// What happened.
    pub entries: &'a [Entry],
    /// The requests by their ids.
    pub cases: BTreeMap<&'a str, Case<'a>>,
    /// When the server was asked to stop.
    pub drain: Option<Duration>,
    /// When it had stopped.
    pub stopped: Option<Duration>,
}

/// One request. Every number is a place in the history.
pub struct Case<'a> {
    /// Its id.
    pub id: &'a str,
    /// What was asked.
    pub ask: &'a Ask,
    /// Where it was sent.
    pub sent: usize,
    /// The head of its answer.
    pub head: Option<(usize, &'a Head)>,
    /// The text that its client has read.
    pub text: String,
    /// The ways in which it ended for its client; there should be one.
    pub ends: Vec<(usize, End<'a>)>,
    /// The last thing that its client noticed.
    pub last: usize,
    /// What the service wrote about it; there should be one at most.
    pub outcomes: Vec<(usize, &'a Outcome)>,
    /// The generation that it was.
    pub enter: Option<(usize, &'a Visit)>,
    /// How that ended, and after how many tokens.
    pub leave: Option<(usize, u32, Leave)>,
}

/// How a request ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// With a complete answer: why it ended, and its tokens where they were told.
    Done(&'a str, Option<u64>),
    /// With an error object after the head.
    Broke(&'a str),
    /// Without an answer.
    Refused(&'a Head),
    /// By the end of the connection.
    Cut(&'a str),
    /// The client left.
    Left,
}

impl<'a> Facts<'a> {
    /// Sorts a history by its requests.
    pub fn of(history: &'a History) -> Self {
        let mut facts = Self {
            world: &history.world,
            entries: &history.entries,
            cases: BTreeMap::new(),
            drain: None,
            stopped: None,
        };
        let asks: BTreeMap<&str, &Ask> = history.world.asks().map(|ask| (ask.id.as_str(), ask)).collect();
        for (at, entry) in history.entries.iter().enumerate() {
            facts.add(at, entry, &asks);
        }
        facts
    }

    fn add(&mut self, at: usize, entry: &'a Entry, asks: &BTreeMap<&str, &'a Ask>) {
        match &entry.what {
            What::Sent(id, _) => {
                let first = id.split('r').next().unwrap_or(id);
                if let Some(ask) = asks.get(first) {
                    self.cases.insert(id, Case::new(id, ask, at));
                }
            }
            What::Head(id, head) => self.client(at, id, |case| {
                case.head = Some((at, head));
                if head.status != 200 {
                    case.ends.push((at, End::Refused(head)));
                }
            }),
            What::Piece(id, text) => self.client(at, id, |case| case.text += text),
            What::Done(id, why, tokens) => self.client(at, id, |case| case.ends.push((at, End::Done(why, *tokens)))),
            What::Broke(id, code) => self.client(at, id, |case| case.ends.push((at, End::Broke(code)))),
            What::Cut(id, why) => self.client(at, id, |case| case.ends.push((at, End::Cut(why)))),
            What::Left(id) => self.client(at, id, |case| case.ends.push((at, End::Left))),
            What::Outcome(outcome) => {
                if let Some(case) = self.cases.get_mut(outcome.request_id.as_str()) {
                    case.outcomes.push((at, outcome));
                }
            }
            What::Engine(engine) => self.engine(at, engine),
            What::DrainBegins => self.drain = Some(entry.at),
            What::DrainOver => self.stopped = Some(entry.at),
            _ => {}
        }
    }

    fn client(&mut self, at: usize, id: &str, change: impl FnOnce(&mut Case<'a>)) {
        if let Some(case) = self.cases.get_mut(id) {
            case.last = at;
            change(case);
        }
    }

    fn engine(&mut self, at: usize, engine: &'a Engine) {
        match engine {
            Engine::Enter { visit, asked } => {
                let id = asked.strip_prefix("Repeat after me: ").and_then(|asked| asked.split(' ').next());
                if let Some(case) = id.and_then(|id| self.cases.get_mut(id)) {
                    case.enter = Some((at, visit));
                }
            }
            Engine::Leave { visit, tokens, how } => {
                let case = self.cases.values_mut().find(|case| case.enter.is_some_and(|(_, entered)| entered == visit));
                if let Some(case) = case {
                    case.leave = Some((at, *tokens, *how));
                }
            }
            _ => {}
        }
    }

    /// When the entry at this place happened.
    pub fn at(&self, place: usize) -> Duration {
        self.entries[place].at
    }

    /// The id of the model that answers to this name while nothing has failed.
    pub fn model_named(&self, name: &str) -> Option<&'a Model> {
        let id = self.world.tiers.get(name).map_or(name, String::as_str);
        self.world.model(id.strip_suffix("-too").unwrap_or(id))
    }
}

impl<'a> Case<'a> {
    fn new(id: &'a str, ask: &'a Ask, sent: usize) -> Self {
        Self {
            id,
            ask,
            sent,
            head: None,
            text: String::new(),
            ends: Vec::new(),
            last: sent,
            outcomes: Vec::new(),
            enter: None,
            leave: None,
        }
    }

    /// The first way in which it ended for its client.
    pub fn end(&self) -> Option<(usize, End<'a>)> {
        self.ends.first().copied()
    }

    /// Where the client left.
    pub fn left(&self) -> Option<usize> {
        self.ends.iter().find(|(_, end)| *end == End::Left).map(|(at, _)| *at)
    }

    /// What the service wrote about it.
    pub fn outcome(&self) -> Option<(usize, &'a Outcome)> {
        self.outcomes.first().copied()
    }
}
