//! Who asks, what they are answered, and how often they have asked: rules and counters, apart for each test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend::{Chat, GenerateOptions};

use crate::Wire;
use crate::embedding::Input;
use crate::rules::{Ask, Chosen, Rules, Vectors, Wants, choose, scheduled, vectors};

/// Tests that are told apart at one time; the oldest is forgotten for one more.
const TESTS_MAX: usize = 4096;

/// The rules of one [`MockBackend`](crate::MockBackend), and what it remembers of those who ask. A cheap handle.
///
/// A request belongs to a test if [`enlist`](Self::enlist) said so, by the id in
/// [`GenerateOptions::request_id`]. Each test counts its own calls and sequences, and may have
/// rules of its own; all the others share one of each.
///
/// One request may take several generations, such as the choices of an answer. Their ids are the request's own, with `#`
/// and more behind it.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    seed: u64,
    rules: Arc<Rules>,
    tests: BTreeMap<String, Test>,
    /// The tests in the order in which they came.
    order: VecDeque<String>,
    /// Those under way.
    requests: BTreeMap<String, Request>,
}

/// One test's share.
#[derive(Debug, Default)]
struct Test {
    /// Its own rules, which come instead of those of all.
    rules: Option<Arc<Rules>>,
    /// Calls so far, by model.
    calls: BTreeMap<String, u64>,
    /// How often each rule has matched, by its place.
    matched: BTreeMap<usize, u64>,
}

#[derive(Debug, Default)]
struct Request {
    test_id: String,
    /// One for each generation that has reached an engine, in that order.
    notes: Vec<Note>,
}

/// What the engine knows of a generation that has reached it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// The generation's id: that of its request, or that and a part of it behind `#`.
    pub id: String,
    /// The number of the call, by model and by test.
    pub call: u64,
    /// The rule that answers.
    pub rule: Option<String>,
    /// What is to happen to the answer on its way.
    pub wires: Vec<Wire>,
    /// Why there is no answer.
    pub objection: Option<String>,
}

impl Stage {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            seed,
            rules: Arc::new(rules),
            tests: BTreeMap::new(),
            order: VecDeque::new(),
            requests: BTreeMap::new(),
        })))
    }

    /// The request of this id belongs to this test, until it is [dismissed](Self::dismiss). `false`, and nothing changes,
    /// where a request of that id is under way.
    #[must_use]
    pub fn enlist(&self, request_id: &str, test_id: &str) -> bool {
        let mut state = self.lock();
        let is_new = !state.requests.contains_key(request_id);
        if is_new {
            state.requests.insert(request_id.to_owned(), Request { test_id: test_id.to_owned(), notes: Vec::new() });
        }
        is_new
    }

    /// The request is over.
    pub fn dismiss(&self, request_id: &str) {
        self.lock().requests.remove(request_id);
    }

    /// What the engine knows of this request: of each of its generations that has reached it, in that order.
    pub fn notes(&self, request_id: &str) -> Vec<Note> {
        self.lock().requests.get(request_id).map(|request| request.notes.clone()).unwrap_or_default()
    }

    /// Gives a test rules of its own, and lets it count from the start.
    pub fn set_rules(&self, test_id: &str, rules: Rules) {
        let mut state = self.lock();
        state.forget(test_id);
        state.test(test_id).rules = Some(Arc::new(rules));
    }

    /// Forgets a test: its rules, calls and sequences.
    pub fn forget(&self, test_id: &str) {
        self.lock().forget(test_id);
    }

    /// Chooses the answer to one call, and counts it.
    pub(crate) fn choose(&self, heard: &Heard<'_>) -> (Chosen, String, u64) {
        let mut state = self.lock();
        let id = heard.options.request_id.as_deref();
        let test_id = id.and_then(|id| state.request(id)).map(|request| request.test_id.clone()).unwrap_or_default();
        let (seed, shared) = (state.seed, Arc::clone(&state.rules));
        let test = state.test(&test_id);
        let rules = test.rules.clone().unwrap_or(shared);
        let call = test.calls.entry(heard.model.to_owned()).or_default();
        *call += 1;
        let ask = heard.ask(&test_id, *call, seed);
        let chosen = choose(&rules, &mut test.matched, &ask);
        let call = ask.call;
        if let Some(id) = id
            && let Some(request) = state.request(id)
        {
            let (rule, wires) = (chosen.rule.clone(), chosen.wires.clone());
            let objection = chosen.plan.as_ref().err().cloned();
            // The same id again is another try of the same generation.
            request.notes.retain(|note| note.id != id);
            request.notes.push(Note { id: id.to_owned(), call, rule, wires, objection });
        }
        (chosen, test_id, call)
    }

    /// Chooses the vectors of one call for embeddings, or the scores of one for a ranking, and counts it.
    pub(crate) fn choose_vectors(&self, model: &str, request_id: Option<&str>, said: &[Input]) -> Vectors {
        let mut state = self.lock();
        let test_id = request_id.and_then(|id| state.request(id)).map(|request| request.test_id.clone());
        let (test_id, seed, shared) = (test_id.unwrap_or_default(), state.seed, Arc::clone(&state.rules));
        let test = state.test(&test_id);
        let rules = test.rules.clone().unwrap_or(shared);
        let call = test.calls.entry(model.to_owned()).or_default();
        *call += 1;
        let (call, options) = (*call, GenerateOptions::default());
        let asks = said.iter().map(|Input { query, text }| {
            let heard = Heard { model, adapter: None, text, chat: None, options: &options, max_tokens: 0 };
            let wants = if query.is_some() { Wants::Score } else { Wants::Embedding };
            Ask { wants, query: query.as_deref(), ..heard.ask(&test_id, call, seed) }
        });
        let asks: Vec<Ask<'_>> = asks.collect();
        let mut chosen = vectors(&rules, &mut test.matched, &asks);
        let (faults, wires) = scheduled(&rules, seed, &test_id, model, call);
        chosen.faults.splice(0..0, faults);
        chosen.wires.splice(0..0, wires);
        if let Some(id) = request_id
            && let Some(request) = state.request(id)
        {
            let (rule, wires) = (chosen.rule.clone(), chosen.wires.clone());
            let objection = chosen.planned.as_ref().err().cloned();
            request.notes.push(Note { id: id.to_owned(), call, rule, wires, objection });
        }
        chosen
    }

    /// Remembers why a request cannot be answered.
    pub(crate) fn object(&self, request_id: Option<&str>, objection: &str) {
        let mut state = self.lock();
        let request = request_id.and_then(|id| Some((id, state.request(id)?)));
        let note = request.and_then(|(id, request)| request.notes.iter_mut().find(|note| note.id == id));
        if let Some(note) = note {
            note.objection = Some(objection.to_owned());
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.lock().seed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The request that a generation of this id belongs to.
    fn request(&mut self, id: &str) -> Option<&mut Request> {
        let whole = if self.requests.contains_key(id) { id } else { request_of(id) };
        self.requests.get_mut(whole)
    }

    fn test(&mut self, test_id: &str) -> &mut Test {
        if !self.tests.contains_key(test_id) {
            if self.order.len() >= TESTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.tests.remove(&oldest);
            }
            self.order.push_back(test_id.to_owned());
        }
        self.tests.entry(test_id.to_owned()).or_default()
    }

    fn forget(&mut self, test_id: &str) {
        self.tests.remove(test_id);
        self.order.retain(|known| known != test_id);
    }
}

/// The id of the request that a generation of this id belongs to: what stands before the last `#`.
pub fn request_of(id: &str) -> &str {
    id.rsplit_once('#').map_or(id, |(request, _)| request)
}

/// What an engine heard, before it is known whose call it is.
pub(crate) struct Heard<'a> {
    pub(crate) model: &'a str,
    /// The name of the adapter at work.
    pub(crate) adapter: Option<&'a str>,
    pub(crate) text: &'a str,
    pub(crate) chat: Option<&'a Chat>,
    pub(crate) options: &'a GenerateOptions,
    pub(crate) max_tokens: u32,
}

impl<'a> Heard<'a> {
    /// The same as somebody asks for an answer to it.
    pub(crate) fn ask(&self, test_id: &'a str, call: u64, seed: u64) -> Ask<'a> {
        let Self { model, adapter, text, chat, options, max_tokens } = *self;
        let (query, wants) = (None, Wants::Answer);
        Ask { model, adapter, test_id, call, text, query, chat, options, max_tokens, seed, wants }
    }
}
