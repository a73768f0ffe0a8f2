//! The faces of a server whose answers a script can hold.

use http::Method;

/// A path whose answers are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/messages`.
    Messages,
    /// `/v1/responses`.
    Responses,
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/rerank`, also under llama-server's names.
    Rerank,
    /// `/chat` and `/chat/stream`.
    Edison,
}

impl Face {
    /// The face at this path. `None` where answers are handed on only.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/completions" => Self::Completions,
            "/v1/messages" => Self::Messages,
            "/v1/responses" => Self::Responses,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/rerank" | "/rerank" | "/reranking" => Self::Rerank,
            "/chat" | "/chat/stream" => Self::Edison,
            _ => return None,
        })
    }
}
