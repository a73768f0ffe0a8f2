//! The real engine with the demo models. One binary, because linking llama.cpp takes a while.

mod conformance;
mod generating;
mod loading;
mod prompts;
mod refusals;
mod support;
