//! Tools and calls, as the OpenAI protocol writes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool that the model may ask for.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct ToolEntry {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) function: Option<FunctionEntry>,
}

#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct FunctionEntry {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
    /// Arguments are held to the schema where a call is forced, and not otherwise, whatever this says.
    pub(crate) strict: Option<bool>,
}

/// Whether tools are called: a word, or the tool that is.
#[derive(Debug, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected \"none\", \"auto\", \"required\" or an object that names a function")]
pub(crate) enum ToolChoiceEntry {
    Word(String),
    Tool(ToolEntry),
}

/// A call that an earlier answer made, or that this one makes.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
pub(crate) struct CallEntry {
    pub(crate) id: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) function: Option<CalledEntry>,
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
pub(crate) struct CalledEntry {
    pub(crate) name: Option<String>,
    /// JSON, as text.
    pub(crate) arguments: Option<String>,
}

impl From<backend::ToolCall> for CallEntry {
    fn from(call: backend::ToolCall) -> Self {
        let function = CalledEntry { name: Some(call.name), arguments: Some(call.arguments) };
        Self { id: Some(call.id), kind: Some("function".to_owned()), function: Some(function) }
    }
}

/// A part of a call in a streamed answer. What the first part said is left out of the others.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CallDelta<'a> {
    pub(crate) index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) function: CalledDelta<'a>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CalledDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    pub(crate) arguments: &'a str,
}

impl<'a> From<&'a backend::CallPart> for CallDelta<'a> {
    fn from(part: &'a backend::CallPart) -> Self {
        let id = part.id.as_deref();
        let function = CalledDelta { name: part.name.as_deref(), arguments: &part.arguments };
        Self { index: part.index, id, kind: id.map(|_| "function"), function }
    }
}
