//! The mock, from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod faults;
mod journal;
mod kit;
mod loading;
mod overlap;
mod rules;
mod suite;
mod timing;
