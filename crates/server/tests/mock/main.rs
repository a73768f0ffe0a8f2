//! `edison mock` from outside: over a pipe, in virtual time.

#![cfg(feature = "mock")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapters;
mod contents;
mod control;
mod drafts;
mod embeddings;
mod faults;
mod isolation;
mod journal;
mod library;
mod pictures;
mod protocols;
mod recorded_faces;
mod recorded_ranks;
mod recording;
mod rerank;
mod rules;
mod script;
mod support;
