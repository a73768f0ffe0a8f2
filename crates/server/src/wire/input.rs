//! What a model is given where there is no conversation: texts, or tokens of its own.

use serde::Deserialize;

/// One of them, or several.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(
    untagged,
    expecting = "expected a string, an array of strings, an array of tokens or an array of arrays of tokens"
)]
pub(crate) enum InputEntry {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<i64>),
    TokenLists(Vec<Vec<i64>>),
}
