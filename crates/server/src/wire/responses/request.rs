//! The body of `POST /v1/responses`.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// What a client wrote. Every field may be absent or null, so that what is missing can be named.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct ResponsesRequest {
    pub(crate) model: Option<String>,
    pub(crate) input: Option<ResponsesInput>,
    pub(crate) instructions: Option<String>,
    pub(crate) max_output_tokens: Option<i64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_logprobs: Option<i64>,
    pub(crate) include: Option<Vec<String>>,
    pub(crate) stream: Option<bool>,
    pub(crate) tools: Option<Vec<ResponsesTool>>,
    pub(crate) tool_choice: Option<ResponsesToolChoice>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) text: Option<TextConfig>,
    /// Sent back, and not used.
    pub(crate) metadata: Option<Value>,
    /// Taken and not used: who asks is known by address.
    pub(crate) user: Option<String>,
}

/// What is answered: a text, or items.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ResponsesInput {
    Text(String),
    Items(Vec<InputItem>),
}

/// One item. What belongs to kinds that are not taken is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct InputItem {
    /// "message" where it is absent and there is a role.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Of a message.
    pub(crate) role: Option<String>,
    /// Of a message, and of `reasoning`.
    pub(crate) content: Option<InputContent>,
    /// Of `function_call` and `function_call_output`.
    pub(crate) call_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<String>,
    pub(crate) output: Option<InputContent>,
    /// Of `reasoning`.
    pub(crate) summary: Option<Vec<InputPart>>,
}

/// A text, or parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InputContent {
    Text(String),
    Parts(Vec<InputPart>),
}

#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct InputPart {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) text: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct ResponsesTool {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
    /// As in a [chat](super::super::tools::FunctionEntry::strict).
    pub(crate) strict: Option<bool>,
}

/// Whether tools are called: a word, or the tool that is.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(untagged, expecting = "expected \"none\", \"auto\", \"required\" or an object that names a function")]
pub(crate) enum ResponsesToolChoice {
    Word(String),
    Tool(NamedTool),
}

#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct NamedTool {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
}

/// How the answer is written.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct TextConfig {
    pub(crate) format: Option<TextFormat>,
    pub(crate) verbosity: Option<String>,
}

/// What the answer must look like.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct TextFormat {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}

/// A value that is a text or a sequence. By hand, because an untagged enum forgets where in the sequence an error was.
struct TextOr<T> {
    expected: &'static str,
    text: fn(String) -> T,
}

impl<'de> Deserialize<'de> for ResponsesInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr { expected: "a string or an array of items", text: Self::Text })
    }
}

impl From<Vec<InputItem>> for ResponsesInput {
    fn from(items: Vec<InputItem>) -> Self {
        Self::Items(items)
    }
}

impl<'de> Deserialize<'de> for InputContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr { expected: "a string or an array of parts", text: Self::Text })
    }
}

impl From<Vec<InputPart>> for InputContent {
    fn from(parts: Vec<InputPart>) -> Self {
        Self::Parts(parts)
    }
}

/// What stands in the sequence.
trait Sequence: From<Vec<Self::Item>> {
    type Item: serde::de::DeserializeOwned;
}

impl Sequence for ResponsesInput {
    type Item = InputItem;
}

impl Sequence for InputContent {
    type Item = InputPart;
}

impl<'de, T: Sequence> Visitor<'de> for TextOr<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok((self.text)(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<T, E> {
        Ok((self.text)(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        Vec::<T::Item>::deserialize(SeqAccessDeserializer::new(items)).map(T::from)
    }
}
