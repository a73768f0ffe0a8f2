//! `POST /tokenize`, `/detokenize` and `/apply-template`, as llama-server writes them.

use serde::{Deserialize, Serialize};

use super::request::Message;
use super::tools::ToolEntry;

/// The body of `/tokenize`.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct TokenizeRequest {
    /// The first model of the configuration where it is left out.
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) content: Option<String>,
    /// Whether it begins as a prompt does; by default it does not.
    pub(crate) add_special: Option<bool>,
    /// Whether control tokens written out in it are control tokens; by default they are.
    pub(crate) parse_special: Option<bool>,
    pub(crate) with_pieces: Option<bool>,
}

/// The answer of `/tokenize`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Tokenized {
    pub(crate) tokens: Vec<TokenOut>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum TokenOut {
    Id(u32),
    Piece { id: u32, piece: Piece },
}

/// A token's text, or its bytes where they are a part of a character.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum Piece {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

/// The body of `/detokenize`.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct DetokenizeRequest {
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) tokens: Option<Vec<i64>>,
}

/// The answer of `/detokenize`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Detokenized {
    /// With U+FFFD where the bytes are no text.
    pub(crate) content: String,
}

/// The body of `/apply-template`.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct TemplateRequest {
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false, min_items = 1)]
    pub(crate) messages: Option<Vec<Message>>,
    pub(crate) tools: Option<Vec<ToolEntry>>,
}

/// The answer of `/apply-template`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Rendered {
    pub(crate) prompt: String,
}
