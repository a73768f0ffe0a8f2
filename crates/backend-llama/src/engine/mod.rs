//! The thread that owns a model and its context, from load to unload.
//!
//! ```text
//! load ──▶ report to the caller ──▶ command, command, ... ──▶ (lane dropped) ──▶ free context, free model
//! ```
//!
//! One command is in hand at a time. A generation reports through a bounded channel, looks at its
//! cancel flag before every step, and starts from an empty cache. A panic or an engine error in it
//! drops the context; only a reset makes a new one. [`Envelope`] tells the lane when a command is
//! done with.

mod generate;
mod job;
mod model;
mod reasons;
mod session;
mod thread;
mod vocabulary;

pub(crate) use job::{CancelFlag, CancelOnDrop, Command, Envelope, Job};
pub(crate) use thread::{Order, spawn};

#[cfg(test)]
pub(crate) use job::Fault;
