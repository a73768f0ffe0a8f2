//! Everything that happened in one run, in order, with virtual times.
//!
//! Four parties speak: the clients, the locks, the service, and the engines. The recorder fetches what the engines have
//! written down whenever one of the others speaks, so that the order is the true one.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backend_mock::{Journal, What as Engine};
use serving::{LockEvent, ModelView, Outcome};
use tokio::time::Instant;

use crate::world::World;

/// One run.
#[derive(Debug, Clone)]
pub struct History {
    /// What was run.
    pub world: World,
    /// What happened, in order.
    pub entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When, since the start of the world.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    /// A client sends a request: its id, and which of its repetitions it is.
    Sent(String, u32),
    /// The head of an answer.
    Head(String, Head),
    /// A piece of text.
    Piece(String, String),
    /// A complete answer: why it ended, and the tokens that it is said to have.
    Done(String, String, Option<u64>),
    /// An error object after the head of a 200, by its code.
    Broke(String, String),
    /// The answer ended without an ending.
    Cut(String, String),
    /// A client leaves.
    Left(String),
    /// A client stops reading, or goes on.
    Reads(String, bool),
    /// A lock tells, by the id of its model.
    Lock(String, LockEvent),
    /// The service writes an outcome.
    Outcome(Box<Outcome>),
    /// An engine tells.
    Engine(Engine),
    /// The control plane was asked: the path, the status and how long it took.
    Look(String, u16, Duration),
    /// The models as the service shows them.
    View(Vec<ModelView>),
    /// A model is told to go.
    ToldToGo(String),
    /// A model that was told to go has gone, or why it has not.
    Gone(String, Option<String>),
    /// The server is asked to stop.
    DrainBegins,
    /// The service says that it has stopped.
    DrainOver,
    /// Everybody is gone; so many tasks are left.
    Over(usize),
    /// The run did not come to its end.
    Stuck,
    /// Something panicked.
    Panic(String),
}

/// The head of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The code of the error object.
    pub code: Option<String>,
    /// The seconds of `Retry-After`.
    pub retry_after: Option<u64>,
    /// The ticket.
    pub ticket: Option<u64>,
    /// The milliseconds that it waited.
    pub wait: Option<u64>,
    /// The model that answers.
    pub model: Option<String>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.as_micros();
        write!(f, "{:>6}.{:03} ", ms / 1_000, ms % 1_000)?;
        match &self.what {
            What::Sent(id, 0) => write!(f, "client  {id} asks"),
            What::Sent(id, n) => write!(f, "client  {id} asks again ({n})"),
            What::Head(id, head) => head.fmt_for(id, f),
            What::Piece(id, text) => write!(f, "client  {id} reads {text:?}"),
            What::Done(id, why, tokens) => write!(f, "client  {id} has its whole answer: {why}, {tokens:?} tokens"),
            What::Broke(id, code) => write!(f, "client  {id} reads an error: {code}"),
            What::Cut(id, why) => write!(f, "client  {id} is cut off: {why}"),
            What::Left(id) => write!(f, "client  {id} leaves"),
            What::Reads(id, false) => write!(f, "client  {id} stops reading"),
            What::Reads(id, true) => write!(f, "client  {id} reads on"),
            What::Lock(model, event) => write!(f, "lock    {model}: {event:?}"),
            What::Outcome(outcome) => write!(f, "outcome {} of {}: {outcome:?}", outcome.request_id, outcome.model),
            What::Engine(what) => write!(f, "engine  {what:?}"),
            What::Look(path, status, took) => write!(f, "look    {path}: {status} after {took:?}"),
            What::View(models) => write!(f, "view    {models:?}"),
            What::ToldToGo(model) => write!(f, "order   {model} is told to go"),
            What::Gone(model, None) => write!(f, "order   {model} has gone"),
            What::Gone(model, Some(why)) => write!(f, "order   {model} has not gone: {why}"),
            What::DrainBegins => write!(f, "server  is asked to stop"),
            What::DrainOver => write!(f, "server  has stopped"),
            What::Over(tasks) => write!(f, "world   is over, {tasks} tasks are left"),
            What::Stuck => write!(f, "world   does not come to its end"),
            What::Panic(message) => write!(f, "panic   {message}"),
        }
    }
}

impl Head {
    fn fmt_for(&self, id: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, retry_after, ticket, wait, model } = self;
        write!(f, "client  {id} gets {status} {code:?}, ticket {ticket:?}, waited {wait:?}, {model:?}, {retry_after:?}")
    }
}

thread_local! {
    /// What has panicked on this thread since the recorder last looked.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps panics for the history instead of printing them. For the whole process; to be called once.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.to_string();
        PANICS.with(|panics| panics.borrow_mut().push(message));
    }));
}

/// Writes a history. A cheap handle.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    start: Instant,
    journal: Arc<Journal>,
    entries: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    entries: Vec<Entry>,
    /// Entries of the journal that are among them.
    followed: u64,
}

impl Recorder {
    /// A history that begins now and follows these engines.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self(Arc::new(Inner { start: Instant::now(), journal, entries: Mutex::default() }))
    }

    /// Writes down that this has happened now.
    pub fn note(&self, what: What) {
        let at = self.0.start.elapsed();
        let mut written = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let engines = self.0.journal.since(written.followed);
        written.followed += engines.len() as u64;
        written.entries.extend(engines.into_iter().map(|entry| Entry { at: entry.at, what: What::Engine(entry.what) }));
        let panics = PANICS.with(|panics| std::mem::take(&mut *panics.borrow_mut()));
        written.entries.extend(panics.into_iter().map(|message| Entry { at, what: What::Panic(message) }));
        written.entries.push(Entry { at, what });
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }
}
