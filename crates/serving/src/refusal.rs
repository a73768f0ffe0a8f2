//! Why a request got no answer at all.

use std::time::Duration;

use backend::PromptError;

use crate::Feature;

/// A request ended before its first token. The client has seen nothing of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No model, alias or tier has this name. Asking again will not help.
    #[error("there is no model \"{asked}\"; known are {}", known.join(", "))]
    UnknownModel {
        /// What the client asked for.
        asked: String,
        /// Every name that would have been understood.
        known: Vec<String>,
    },
    /// The model has no adapter of this name. Asking again will not help.
    #[error("model \"{model}\" has no adapter \"{asked}\"; {}", listed(known))]
    UnknownAdapter {
        /// The model.
        model: String,
        /// What the client asked for.
        asked: String,
        /// The adapters that it has, in the order of their numbers.
        known: Vec<String>,
    },
    /// The model has no adapter of this number. Asking again will not help.
    #[error("model \"{model}\" has no adapter {number}; {}", listed(known))]
    NoAdapterNumber {
        /// The model.
        model: String,
        /// What the client asked for.
        number: u32,
        /// The adapters that it has, in the order of their numbers.
        known: Vec<String>,
    },
    /// Two adapters are asked for, where one can be had: one in the name of the model, and one beside it.
    #[error("\"{asked}\" names an adapter, and another is asked for beside it; give one of them")]
    TwoAdapters {
        /// The name.
        asked: String,
    },
    /// The queue is at its bound. Asking later helps.
    #[error("the queue of \"{model}\" is full: {waiting} waiting, limit {limit}")]
    QueueFull {
        /// The model.
        model: String,
        /// Requests that wait.
        waiting: usize,
        /// The bound.
        limit: usize,
        /// When a place is likely, from measured hold times; `None` before the first hold.
        retry_after: Option<Duration>,
    },
    /// The lane did not come in time. Asking later helps.
    #[error("waited {waited:.1?} for \"{model}\" without getting it")]
    QueueTimeout {
        /// The model.
        model: String,
        /// How long the request waited.
        waited: Duration,
        /// When a lane is likely, from measured hold times; `None` before the first hold.
        retry_after: Option<Duration>,
    },
    /// The model cannot run this prompt.
    #[error("{0}")]
    Prompt(PromptError),
    /// The model cannot take this one of several inputs.
    #[error("input {index}: {error}")]
    Input {
        /// Which one, from 0.
        index: usize,
        /// Why.
        error: PromptError,
    },
    /// The model cannot do something that the request wants. Another model may.
    #[error("model \"{model}\" has no {}", feature.as_str())]
    Unsupported {
        /// The model.
        model: String,
        /// What is missing.
        feature: Feature,
    },
    /// The model is not there: it failed to load, or its engine broke for good.
    #[error("model \"{model}\" is not available: {reason}")]
    ModelUnavailable {
        /// The model.
        model: String,
        /// What happened to it.
        reason: String,
        /// When it is tried again; `None` where it is not.
        retry_after: Option<Duration>,
    },
    /// The engine failed before the first token. Only this request is affected.
    #[error("the engine of \"{model}\" failed: {reason}")]
    Backend {
        /// The model.
        model: String,
        /// What the engine reported. For the log; it may name files.
        reason: String,
    },
    /// The service is going down and takes nothing new.
    #[error("the server is shutting down")]
    ShuttingDown,
}

fn listed(adapters: &[String]) -> String {
    if adapters.is_empty() { "it has none".to_string() } else { format!("it has {}", adapters.join(", ")) }
}
