//! How a refusal is written.

use serde::Serialize;

/// The error object of the OpenAI protocol.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorEnvelope {
    pub(crate) error: ErrorObject,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorObject {
    pub(crate) message: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The field to change.
    pub(crate) param: Option<String>,
    pub(crate) code: &'static str,
}

/// An error under the server's own paths.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Detail {
    pub(crate) detail: String,
}
