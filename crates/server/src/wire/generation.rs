//! What every request for an answer can say, whatever else is in it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The model, how to generate, and how to tell the answer. Every field may be absent or null.
///
/// Numbers are wider than they may be, so that a value out of range is refused with its range and not with
/// the name of a Rust type.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct GenerationFields {
    pub(crate) model: Option<String>,
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    #[schema(minimum = 0)]
    pub(crate) top_k: Option<i64>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) min_p: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) typical_p: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) xtc_probability: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) xtc_threshold: Option<f64>,
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) dry_multiplier: Option<f64>,
    #[schema(minimum = 1, maximum = 10)]
    pub(crate) dry_base: Option<f64>,
    pub(crate) dry_allowed_length: Option<i64>,
    pub(crate) dry_penalty_last_n: Option<i64>,
    pub(crate) dry_sequence_breakers: Option<Vec<String>>,
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) mirostat: Option<i64>,
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) mirostat_tau: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) mirostat_eta: Option<f64>,
    pub(crate) logit_bias: Option<LogitBias>,
    #[schema(minimum = -2, maximum = 2)]
    pub(crate) presence_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    pub(crate) frequency_penalty: Option<f64>,
    #[schema(minimum = 0.01, maximum = 2)]
    pub(crate) repeat_penalty: Option<f64>,
    pub(crate) repeat_last_n: Option<i64>,
    pub(crate) seed: Option<i64>,
    #[schema(minimum = 1)]
    pub(crate) max_tokens: Option<i64>,
    #[schema(minimum = 1)]
    pub(crate) max_completion_tokens: Option<i64>,
    /// llama.cpp's name for it; -1 is the model's own bound.
    #[schema(minimum = -1)]
    pub(crate) n_predict: Option<i64>,
    pub(crate) stop: Option<Stop>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    #[schema(minimum = 1, maximum = 8)]
    pub(crate) n: Option<i64>,
    pub(crate) response_format: Option<ResponseFormat>,
    pub(crate) grammar: Option<String>,
    pub(crate) n_probs: Option<i64>,
    pub(crate) ignore_eos: Option<bool>,
    pub(crate) cache_prompt: Option<bool>,
    /// llama.cpp's way to ask for an adapter: at most one whose scale is not 0. A model's name may go on with one, too:
    /// `fast:tone`.
    pub(crate) lora: Option<Vec<LoraEntry>>,
    /// Taken and not used: who asks is known by address.
    pub(crate) user: Option<String>,
}

/// What an answer must look like.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct ResponseFormat {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) json_schema: Option<WrappedSchema>,
}

/// A schema with a name around it. Schemas are always followed to the letter, whatever `strict` says.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct WrappedSchema {
    pub(crate) name: Option<String>,
    pub(crate) strict: Option<bool>,
    pub(crate) schema: Option<Value>,
}

/// What is added to the logits of single tokens.
#[derive(Debug, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected an object with tokens as keys, or an array of pairs")]
pub(crate) enum LogitBias {
    /// Token -> number.
    Object(BTreeMap<String, f64>),
    /// llama.cpp's: tokens with a number each, or with `false` for never.
    Pairs(Vec<(Value, Value)>),
}

/// An adapter of the model, by its number.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct LoraEntry {
    #[schema(required = true, nullable = false, minimum = 0)]
    pub(crate) id: Option<i64>,
    #[schema(required = true, nullable = false, minimum = -10, maximum = 10)]
    pub(crate) scale: Option<f64>,
}

/// How an answer is streamed.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
}

/// Texts that end the answer.
#[derive(Debug, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{GenerationFields, Stop};

    #[test]
    fn fields_are_read_as_written() {
        let fields = json!({"temperature": 0, "stop": ["a", "b"], "stream_options": {"include_usage": true}});
        let request: GenerationFields = serde_json::from_value(fields).expect("fields");
        // An explicit 0 is a value and not an absence.
        assert_eq!((request.temperature, request.seed), (Some(0.0), None));
        assert_eq!(request.stop, Some(Stop::Several(vec!["a".into(), "b".into()])));
        assert_eq!(request.stream_options.and_then(|options| options.include_usage), Some(true));
    }
}
