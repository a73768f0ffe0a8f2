//! `POST /v1/embeddings`, as the OpenAI protocol writes it.

use serde::{Deserialize, Serialize};

use super::input::InputEntry;

/// The body.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingsRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) input: Option<InputEntry>,
    /// "float" or "base64".
    pub(crate) encoding_format: Option<String>,
    /// Numbers of each vector. A model has one width.
    #[schema(minimum = 1)]
    pub(crate) dimensions: Option<i64>,
    /// Taken and not used: who asks is known by address.
    pub(crate) user: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingList<'a> {
    pub(crate) object: &'static str,
    pub(crate) data: Vec<EmbeddingObject>,
    pub(crate) model: &'a str,
    pub(crate) usage: EmbeddingUsage,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingObject {
    pub(crate) object: &'static str,
    pub(crate) index: usize,
    pub(crate) embedding: Vector,
}

/// A vector: its numbers, or their bytes, little-endian, in base64.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingUsage {
    pub(crate) prompt_tokens: u64,
    pub(crate) total_tokens: u64,
}
