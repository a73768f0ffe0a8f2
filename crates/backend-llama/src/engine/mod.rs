//! The thread that owns a model and its context, from load to unload.
//!
//! ```text
//! load ──▶ report to the caller ──▶ command, command, ... ──▶ (lane dropped) ──▶ free context, free model
//! ```
//!
//! A model may have several contexts, each with a thread of its own; the first one loads the weights. A context has one
//! lane or several, and every lane one command in hand at a time: what busy lanes have to compute is gathered into one
//! step, see `rounds`. A generation reports through a bounded channel, and is asked before every step whether it is
//! still wanted. Where a model is told to, tokens are guessed and computed several at a time, see `draft` and `trust`. What its
//! prompt has in common with the one before is not computed again, see `cache`; what others computed before that may be kept
//! aside, see `saved`. An adapter is put to
//! work before the step that wants it, and taken off before one that does not.
//!
//! A panic or an engine error fails the request in hand, and its lane until a reset. The context is made anew.
//! [`Envelope`] tells the lane when a command is done with.

mod cache;
mod draft;
mod embedder;
mod job;
mod memory;
mod model;
pub(crate) mod reasons;
mod rounds;
mod saved;
mod schedule;
mod session;
mod task;
mod thread;
mod trust;
mod vocabulary;

pub(crate) use embedder::Pooling;
pub(crate) use job::{BrokenFlag, CancelFlag, CancelOnDrop, Command, EmbedJob, Envelope, Job};
pub(crate) use memory::estimate;
pub(crate) use saved::SavedCounts;
pub(crate) use thread::{Order, spawn};

#[cfg(test)]
pub(crate) use job::Fault;
