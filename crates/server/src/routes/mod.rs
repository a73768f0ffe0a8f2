//! One file per path.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod edison;
pub(crate) mod embeddings;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod llama;
pub(crate) mod locks;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod rerank;
pub(crate) mod responses;
pub(crate) mod tokens;
