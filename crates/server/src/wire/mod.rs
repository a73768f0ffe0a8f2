//! The types of the OpenAI protocol, as far as this server speaks it. They hold what was written and check nothing.

pub(crate) mod chunk;
pub(crate) mod completions;
pub(crate) mod content;
pub(crate) mod embeddings;
pub(crate) mod error;
pub(crate) mod generation;
pub(crate) mod input;
pub(crate) mod llama;
pub(crate) mod logprobs;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod names;
pub(crate) mod null;
pub(crate) mod request;
pub(crate) mod rerank;
pub(crate) mod response;
pub(crate) mod responses;
pub(crate) mod text_or;
pub(crate) mod tokens;
pub(crate) mod tools;
