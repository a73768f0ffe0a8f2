//! The shell under the model checker: every schedule of two or three threads.
//!
//! Run with `cargo xtask loom`. Each test wants a process of its own, which that command gives it: the checker aborts the
//! process when it finds a deadlock.
//!
//! One property per model. Most are explored completely; the others say how many preemptions they allow, and why.

#![cfg(model_locks_loom)]

mod closing;
mod exclusion;
mod fair;
mod lanes;
mod leaving;
mod observing;
mod registry;
mod several;
mod support;
mod sweep;
mod taking;
