//! The protocols, as far as a script's faults look different in them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::OF_LLAMA_SERVER;
use crate::error::messages_kind;

/// Whose protocol a path speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Chat,
    Completions,
    Messages,
    Responses,
    /// The server's own paths. Errors under llama-server's look like the OpenAI protocol's.
    Other,
}

impl Style {
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/v1/completions" => Self::Completions,
            path if OF_LLAMA_SERVER.contains(&path) => Self::Completions,
            "/v1/responses" => Self::Responses,
            path if path.starts_with("/v1/messages") => Self::Messages,
            path if path.starts_with("/v1/") => Self::Chat,
            _ => Self::Other,
        }
    }

    /// Events at the beginning of a stream that say nothing of the answer yet: who speaks, and that it begins.
    pub(super) fn preamble(self, asked: &Value) -> u64 {
        match self {
            // Each choice says who speaks.
            Self::Chat => asked["n"].as_u64().unwrap_or(1),
            // The message, and its first block.
            Self::Messages => 2,
            // Created, in progress, the first item, and its first part.
            Self::Responses => 4,
            Self::Completions | Self::Other => 0,
        }
    }

    /// An error in the shape that the protocol's clients read.
    pub(super) fn error(self, status: StatusCode, message: &str, code: &str) -> Response {
        let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        let body = match self {
            Self::Chat | Self::Completions | Self::Responses => {
                json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
            }
            Self::Messages => {
                json!({ "type": "error", "error": { "type": messages_kind(status), "message": message } })
            }
            Self::Other => json!({ "detail": message }),
        };
        (status, Json(body)).into_response()
    }
}
