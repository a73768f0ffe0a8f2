//! The real engine with the demo models. One binary, because linking llama.cpp takes a while.

mod adapting;
mod choosing;
mod conformance;
mod constraints;
mod deadly;
mod embedding;
mod generating;
mod loading;
mod prompts;
mod ranking;
mod refusals;
mod seeing;
mod support;
mod survival;
mod tools;
