//! Why a server could not be judged at all.

/// Why there is no report. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The address is none.
    #[error("{url} is not an address of a server: {reason}; write for example http://127.0.0.1:8811")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("{url} cannot be reached: {reason}; is the server running?")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// A key is missing or wrong.
    #[error("{url} answers with {status} and wants an API key: give it with --api-key")]
    Unauthorized {
        /// Where.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// There is a server, but not one of these.
    #[error("{url} does not speak the OpenAI protocol: {reason}")]
    NotThisProtocol {
        /// Where.
        url: String,
        /// What it said instead.
        reason: String,
    },
    /// There is nothing to ask.
    #[error("{url} serves no model: /v1/models lists none; load one, or name one with --model")]
    NoModels {
        /// Where.
        url: String,
    },
    /// The model is not there.
    #[error("the server has no model \"{asked}\"; it has: {}", known.join(", "))]
    UnknownModel {
        /// The one that was asked for.
        asked: String,
        /// Those that it lists.
        known: Vec<String>,
    },
    /// It does not answer a single client properly, so there is nothing to compare with.
    #[error("model \"{model}\" does not answer a single client: {reason}")]
    NoAnswer {
        /// Which model.
        model: String,
        /// What happened instead.
        reason: String,
    },
    /// There is no such check.
    #[error("there is no check \"{asked}\"; the checks are: {known}")]
    UnknownCheck {
        /// The one that was asked for.
        asked: String,
        /// Those that exist.
        known: String,
    },
}
