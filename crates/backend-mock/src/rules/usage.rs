//! What is told of an answer's tokens, where a script knows better than the mock.

use backend::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Objection;

/// What is told of tokens, instead of what is counted: another server counts with another vocabulary. What is not given
/// is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UsageScript {
    /// Tokens of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Of these, the ones that the engine remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u32>,
    /// Tokens of the answer. A request that allows as many gets all of the reply, however many tokens the mock makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u32>,
    /// Tokens of the answer that the engine guessed; none where this is not given, and told only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafted_tokens: Option<u32>,
    /// Of these, the ones that were right: never more than those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_tokens: Option<u32>,
}

impl UsageScript {
    /// Whether everything is counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it.
    pub(super) fn check(&self, path: &str) -> Option<Objection> {
        let accepted = self.accepted_tokens?;
        let message = match self.drafted_tokens {
            None => "needs drafted_tokens: they are some of these".to_owned(),
            Some(drafted) if accepted > drafted => format!("must be at most drafted_tokens, which are {drafted}"),
            Some(_) => return None,
        };
        Some(Objection { key: format!("{path}.accepted_tokens"), message })
    }

    /// What is told where this was counted.
    pub(crate) fn told(&self, counted: Usage) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens.unwrap_or(counted.prompt_tokens),
            cached_tokens: self.cached_tokens.unwrap_or(counted.cached_tokens),
            completion_tokens: self.completion_tokens.unwrap_or(counted.completion_tokens),
            drafted_tokens: self.drafted_tokens.unwrap_or(counted.drafted_tokens),
            accepted_tokens: self.accepted_tokens.unwrap_or(counted.accepted_tokens),
        }
    }
}
