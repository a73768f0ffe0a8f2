//! The lock from outside, poll by poll: who is granted, who is woken, and who is not.
//!
//! One binary with one file per subject.

#![cfg(not(model_locks_loom))]

mod auto_traits;
#[cfg(feature = "canary")]
mod canary;
mod cancel;
mod close;
mod lanes;
mod order;
mod quarantine;
mod reentrancy;
mod registry;
mod support;
mod threads;
