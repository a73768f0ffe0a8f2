//! `POST /v1/rerank`, as Cohere, Jina and llama-server write it.

use serde::{Deserialize, Serialize};

/// The body.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct RerankRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) model: Option<String>,
    /// What the documents are ranked by.
    #[schema(required = true, nullable = false)]
    pub(crate) query: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) documents: Option<Vec<DocumentEntry>>,
    /// Documents in the answer at most; all by default.
    #[schema(minimum = 1)]
    pub(crate) top_n: Option<i64>,
    /// Whether the answer has the documents themselves. Default false.
    pub(crate) return_documents: Option<bool>,
}

/// A document: its text, by itself or in an object.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or an object with a text")]
pub(crate) enum DocumentEntry {
    Text(String),
    Object(DocumentText),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
pub(crate) struct DocumentText {
    pub(crate) text: String,
}

/// The answer: the best document first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Ranking<'a> {
    pub(crate) object: &'static str,
    pub(crate) model: &'a str,
    pub(crate) results: Vec<RankedDocument>,
    pub(crate) usage: RankingUsage,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RankedDocument {
    /// Where it stands in the request.
    pub(crate) index: usize,
    /// On the model's own scale, which need not be 0 to 1: a higher one is better.
    pub(crate) relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) document: Option<DocumentText>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RankingUsage {
    /// Of all pairs of the query and a document.
    pub(crate) prompt_tokens: u64,
    pub(crate) total_tokens: u64,
}
