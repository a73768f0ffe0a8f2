//! Programs that must compile and run. Those that must not are in `crates/model-locks-compile-fail`.

/// The example of the readme runs.
#[doc = include_str!("../README.md")]
struct Readme;
