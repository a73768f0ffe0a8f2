//! The body of `POST /v1/messages` and `POST /v1/messages/count_tokens`.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// What a client wrote. Every field may be absent or null, so that what is missing can be named.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct MessagesRequest {
    pub(crate) model: Option<String>,
    pub(crate) messages: Option<Vec<MessageEntry>>,
    pub(crate) system: Option<Blocks>,
    pub(crate) max_tokens: Option<i64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<i64>,
    pub(crate) stop_sequences: Option<Vec<String>>,
    pub(crate) stream: Option<bool>,
    pub(crate) tools: Option<Vec<MessagesTool>>,
    pub(crate) tool_choice: Option<MessagesToolChoice>,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) output_config: Option<OutputConfig>,
    /// Taken and not used: who asks is known by address.
    pub(crate) metadata: Option<Value>,
}

/// One message of the conversation.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct MessageEntry {
    pub(crate) role: Option<String>,
    pub(crate) content: Option<Blocks>,
}

/// What is said: a text, or an array of blocks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Blocks {
    Text(String),
    Several(Vec<Block>),
}

/// One block. What belongs to kinds that are not taken is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Block {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Of `text`.
    pub(crate) text: Option<String>,
    /// Of `thinking`.
    pub(crate) thinking: Option<String>,
    /// Of `tool_use`.
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) input: Option<Value>,
    /// Of `tool_result`.
    pub(crate) tool_use_id: Option<String>,
    pub(crate) content: Option<Blocks>,
    pub(crate) is_error: Option<bool>,
}

/// A tool.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct MessagesTool {
    /// "custom", or absent. Others are tools of a server.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) input_schema: Option<Value>,
}

/// Whether tools are called.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct MessagesToolChoice {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) disable_parallel_tool_use: Option<bool>,
}

/// Whether the model thinks first.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Thinking {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// What the answer must look like.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct OutputConfig {
    pub(crate) format: Option<OutputFormat>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct OutputFormat {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) schema: Option<Value>,
}

/// By hand, because an untagged enum forgets where in the blocks an error was.
impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BlocksVisitor)
    }
}

struct BlocksVisitor;

impl<'de> Visitor<'de> for BlocksVisitor {
    type Value = Blocks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of blocks")
    }

    fn visit_str<E>(self, text: &str) -> Result<Blocks, E> {
        Ok(Blocks::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Blocks, E> {
        Ok(Blocks::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, blocks: A) -> Result<Blocks, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(blocks)).map(Blocks::Several)
    }
}
