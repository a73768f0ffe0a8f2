//! The lock from outside, poll by poll: who is granted, who is woken, and who is not.
//!
//! One binary with one file per subject.

#![cfg(not(any(model_locks_loom, model_locks_shuttle)))]

mod auto_traits;
mod borrowed;
#[cfg(feature = "canary")]
mod canary;
mod cancel;
mod close;
mod cost;
mod fair;
mod homecoming;
mod lanes;
mod observer;
mod order;
mod pace;
mod quarantine;
mod reentrancy;
mod registry;
mod several;
mod supersede;
mod support;
mod sweep;
mod taking;
mod threads;
mod words;
