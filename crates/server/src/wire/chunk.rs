//! The pieces of a streamed answer.

use serde::Serialize;

use super::logprobs::Logprobs;
use super::response::Usage;
use super::tools::CallDelta;

/// One piece.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChatChunk<'a> {
    pub(crate) id: &'a str,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    /// One choice; none in the piece that tells the usage.
    pub(crate) choices: Vec<ChunkChoice<'a>>,
    /// Absent unless the client asked for it; then null in every piece but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Option<Usage>>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChunkChoice<'a> {
    pub(crate) index: u32,
    pub(crate) delta: Delta<'a>,
    pub(crate) logprobs: Option<Logprobs>,
    pub(crate) finish_reason: Option<&'static str>,
}

/// What is new. The role is told once.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<CallDelta<'a>>,
}
