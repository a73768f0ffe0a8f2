//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

/// A model could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no readable file: correct the path.
    #[error("no readable model file at {path}: {reason}")]
    NotFound {
        /// The path that was tried.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is not a model this engine can run: use another file.
    #[error("{model} is not a usable model: {reason}")]
    Unusable {
        /// The model or its file.
        model: String,
        /// What the engine objected to.
        reason: String,
    },
    /// A setting is outside what the engine can do: correct the setting.
    #[error("{setting} {reason}")]
    Setting {
        /// The field of [`ModelSpec`](crate::ModelSpec).
        setting: &'static str,
        /// The range it must lie in.
        reason: String,
    },
    /// Nobody wanted the model any more.
    #[error("loading was cancelled")]
    Cancelled,
    /// The engine failed; trying again may help.
    #[error("loading failed: {reason}")]
    Failed {
        /// What the engine reported.
        reason: String,
    },
}

/// A prompt cannot be run by this model. Nothing was done with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The prompt leaves no room for a single generated token.
    #[error("the prompt has {tokens} tokens and the context holds {context_len}, of which one must stay free")]
    TooLong {
        /// Length of the prompt, or as far as it was counted.
        tokens: u32,
        /// Length of a lane's context.
        context_len: u32,
    },
    /// The prompt has no token at all.
    #[error("the prompt is empty")]
    Empty,
    /// The model's chat template refused these messages.
    #[error("the model's chat template cannot render these messages: {reason}")]
    Template {
        /// What the template said.
        reason: String,
    },
    /// The prompt is fine, and what is asked of the answer cannot be had.
    #[error("{reason}")]
    Options {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such token in the vocabulary.
    #[error("{token} is no token of this model")]
    UnknownToken {
        /// The number that was given.
        token: u32,
    },
    /// A picture cannot be shown to the model.
    #[error("a picture cannot be used: {reason}")]
    Picture {
        /// What the engine objected to.
        reason: String,
    },
    /// The model has no chat template, so it takes plain text only.
    #[error("the model has no chat template")]
    NoTemplate,
    /// The engine could not be asked.
    #[error("the prompt could not be encoded: {reason}")]
    Failed {
        /// What the engine reported.
        reason: String,
    },
}

/// A generation ended without its [`Finish`](crate::Finish).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The request failed and the lane is as good as before: use it for the next one.
    #[error("generation failed: {reason}")]
    Failed {
        /// What the engine reported.
        reason: String,
    },
    /// The lane's state is unknown: [`Lane::reset`](crate::Lane::reset) it before its next use.
    #[error("generation failed and left the lane unusable: {reason}")]
    LaneBroken {
        /// What the engine reported.
        reason: String,
    },
}

/// A lane that could not be made usable again. It must not be lent any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lane could not be rebuilt: {reason}")]
pub struct LaneBroken {
    /// What the engine reported.
    pub reason: String,
}
