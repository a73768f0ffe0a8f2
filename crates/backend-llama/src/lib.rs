//! llama.cpp as a [`Backend`](backend::Backend).
//!
//! [`LlamaBackend`] loads a GGUF file. Each context of an instance gets one named OS thread that owns
//! it from load to unload; a [`Lane`](backend::Lane) is a handle to that thread, and the [`PromptEncoder`](backend::PromptEncoder) shares the model's weights, which do not change.
//!
//! Why a thread of its own: a context must not be entered twice, OpenMP keeps a team of workers for
//! every thread that ever computed, and an engine that hangs takes only its own thread with it.
//!
//! llama.cpp ends the process on input it did not expect (`GGML_ASSERT`, C++ exceptions), so whatever
//! reaches it is checked here first; `validate` and `engine` say what and why. Not everything can be
//! checked: a GGUF file that was damaged on purpose may still abort the process.
//!
//! # The environment
//! ggml's crash handler starts a debugger when it finds one, which stalls for seconds. The program
//! that uses this crate should be started with `GGML_NO_BACKTRACE=1`; the crate cannot set it, because
//! changing the environment of a running program is `unsafe`.
//!
//! Not here: locks, queues, HTTP, pictures; and no clock but the one that dates prompts for templates that insist on it.

mod adapter;
mod answering;
mod constraint;
mod cores;
mod encoder;
mod engine;
mod gguf;
mod lane;
mod load;
mod logprobs;
mod output;
mod pictures;
mod processor;
mod projector;
mod sampling;
mod specials;
mod template;
#[cfg(test)]
mod testing;
mod texts;
mod validate;

pub use load::{InitError, LlamaBackend};
