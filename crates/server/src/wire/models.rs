//! The answers of `GET /v1/models` and `GET /v1/models/{id}`.

use serde::Serialize;

/// Everything that can be asked for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ModelList {
    pub(crate) object: &'static str,
    pub(crate) data: Vec<ModelObject>,
}

/// A model, a tier that points at one, or a model with one of its adapters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct ModelObject {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) owned_by: &'static str,
    /// The model that this name means.
    pub(crate) root: String,
    /// "loading", "ready" or "failed".
    pub(crate) state: &'static str,
    /// Further names of the same model.
    pub(crate) aliases: Vec<String>,
    /// The adapters that can be named behind it and a colon.
    pub(crate) adapters: Vec<String>,
    /// Tokens of context, once loaded.
    pub(crate) context_len: Option<u32>,
    /// What it can do, once loaded: "generation", "tools", "constraints", "logprobs", "embeddings", "rerank", "vision".
    pub(crate) capabilities: Option<Vec<&'static str>>,
}
