//! The shell under a random scheduler: more threads and longer histories than loom can try completely.
//!
//! Run with `cargo xtask shuttle`. Each model is played under two schedulers from a printed seed: one chooses the next
//! thread at random, the other (PCT) gives threads priorities and changes them a few times, which finds what takes one
//! unlikely switch. A failing schedule is printed; `MODEL_LOCKS_SCHEDULE=<schedule> cargo xtask shuttle -- <test>`
//! plays it again.
//!
//! This finds; it proves nothing. What is complete is in `tests/loom` and `src/core/tests`.

#![cfg(model_locks_shuttle)]

mod ends;
mod lanes;
mod mixes;
mod order;
mod parking;
mod registry;
mod several;
mod support;
