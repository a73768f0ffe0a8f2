//! The rules of this repository that a machine can check, as plain tests.
//!
//! Each rule is data with a reason, and a checker that is itself shown a violation.

mod bans;
mod dependencies;
mod engine;
mod files;
mod promises;
mod sections;
mod tables;
mod tidy;
