//! The checker against a server with one fault at a time, over pipes and in virtual time.

mod faults;
mod problems;
mod reports;
mod support;
