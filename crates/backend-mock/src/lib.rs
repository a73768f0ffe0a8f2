//! A scripted, deterministic backend: an inference engine for tests, without weights and without a GPU.
//!
//! A [`MockBackend`] plays any number of models. Each has a [`ModelScript`] that says how long everything takes, what
//! the model answers and which of its calls go wrong, and how:
//!
//! ```
//! use std::time::Duration;
//! use backend_mock::{Fault, MockBackend, MockConfig, ModelScript, Reply};
//!
//! let mock = MockBackend::new(MockConfig::default().with_model("fast", ModelScript {
//!     time_per_token: Duration::from_millis(10),
//!     reply: Reply::Fixed("All is well.".into()),
//!     faults: [(3, Fault::FailAfter { tokens: 2 })].into(),
//!     ..ModelScript::default()
//! }));
//! let journal = mock.journal();
//! // Hand `mock` to the server, run requests, and then:
//! assert!(journal.overlaps().is_empty(), "nobody entered an engine twice");
//! ```
//!
//! Before a model's own reply come the [`Rules`]: which request gets which answer, in sequences, from templates, with calls
//! of tools, thoughts, JSON for a schema, and what goes wrong. A [`Stage`] keeps tests that share a backend apart.
//!
//! # What makes it an engine
//!
//! - **It runs apart from its stream.** A dropped stream asks it to stop; it goes on for the script's `stop_delay`, and
//!   only [`quiesce`](backend::Lane::quiesce) tells when it has stopped.
//! - **It notices a second entry.** Whoever enters an engine that still works is written into the [`Journal`] and
//!   panics. So every test that runs over this backend is a test of mutual exclusion.
//! - **It counts.** Prompts and answers have tokens, characters are split over them, and the context ends.
//!
//! # What makes it deterministic
//!
//! It waits with `tokio::time` only, so a paused clock makes it run in virtual time, for as long as the script says.
//! Chance comes from the seed of a request, or of the backend, and from nowhere else. On a runtime with one thread the same requests give
//! the same journal, entry by entry.
//!
//! Not here: HTTP, locks, and a language model.

mod answer;
mod chance;
mod config;
mod embedding;
mod encoder;
mod engine;
mod faults;
mod generation;
mod journal;
mod json;
mod lane;
mod likelihood;
mod load;
mod reply;
mod rules;
mod stage;
mod vocabulary;

pub use config::{MockConfig, ModelScript, OnOverlap};
pub use faults::{Fault, Rebuild, Wire};
pub use journal::{Entry, Hold, Journal, Leave, Visit, What};
pub use load::MockBackend;
pub use reply::Reply;
pub use rules::{
    Call, FaultScript, FinishName, Objection, Piece, Replies, ReplyScript, Rule, Rules, Scheduled, Then, Time,
    UsageScript, When,
};
pub use stage::{Note, Stage, request_of};
