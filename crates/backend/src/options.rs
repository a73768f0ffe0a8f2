//! How an answer is generated, apart from what it answers.

use std::sync::Arc;

use crate::{Adapter, Sampling};

/// How to generate, and what is wanted besides the text.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// How tokens are chosen. [`Sampling::check`] has passed.
    pub sampling: Sampling,
    /// Texts that end the answer; they are not part of it. None is empty.
    pub stop: Vec<String>,
    /// What the answer must look like. Not together with tools that may be called.
    pub constraint: Option<Constraint>,
    /// Tells the probability of each token, and of this many alternatives, at most [`LOGPROBS_MAX`](Self::LOGPROBS_MAX).
    pub logprobs: Option<u32>,
    /// The adapter that changes the model for this request; default none. What is remembered of other requests counts for
    /// those with the same one only.
    pub adapter: Option<Adapter>,
    /// Goes on where the model would end its answer, up to the bound on tokens; default `false`.
    pub ignore_end: bool,
    /// Whether the engine may reuse what it remembers of earlier prompts; default `true`. Reuse never changes the text.
    pub cache_prompt: bool,
    /// The id of the request, for what an engine logs; default `None`. Nothing that an engine computes depends on it; one
    /// that plays a script tells its callers apart by it.
    pub request_id: Option<Arc<str>>,
}

impl GenerateOptions {
    /// Alternatives that can be told of each token.
    pub const LOGPROBS_MAX: u32 = 20;

    /// The adapter that changes anything: one at scale 0 is none.
    pub fn applied_adapter(&self) -> Option<Adapter> {
        self.adapter.filter(|adapter| adapter.scale.get() != 0.0)
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            stop: Vec::new(),
            constraint: None,
            logprobs: None,
            adapter: None,
            ignore_end: false,
            cache_prompt: true,
            request_id: None,
        }
    }
}

/// What an answer must look like. The model chooses among what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Any JSON object.
    JsonObject,
    /// JSON that this JSON Schema accepts; the schema as JSON text.
    JsonSchema(String),
    /// What this grammar in llama.cpp's GBNF accepts, from its rule `root`.
    Grammar(String),
}
