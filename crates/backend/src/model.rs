//! Loading a model, and what is known of it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{AdapterSpec, Chat, EncodedPrompt, GenerateOptions, Lane, LoadError, Prompt, PromptError, TokenId};

/// An inference engine.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Loads a model and reports the share done, 0.0 to 1.0, on the way.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the load; the engine frees what it had loaded.
    ///
    /// # Errors
    /// See [`LoadError`]. Nothing stays loaded after an error.
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError>;

    /// How much memory the model will take, told before it is loaded; `None`, the default, where the engine cannot say.
    ///
    /// # Errors
    /// See [`LoadError`]: the model cannot be loaded either.
    async fn estimate(&self, spec: &ModelSpec) -> Result<Option<MemoryEstimate>, LoadError> {
        let _ = spec;
        Ok(None)
    }
}

/// Bytes of memory that a model takes, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The weights, adapters included. Where they are mapped from their file, the system can drop them and read them again.
    pub weights: u64,
    /// What the lanes of all replicas remember of their contexts, and what may be [saved](Tuning::saved_state_mib) of them.
    pub cache: u64,
    /// What is computed in a step, of all replicas together.
    pub compute: u64,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.compute)
    }
}

/// Hears the share of a load that is done, 0.0 to 1.0, not decreasing. Called from any thread; must not block.
pub type LoadProgress = Arc<dyn Fn(f32) + Send + Sync>;

/// What to load, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// The model's name, for threads and messages.
    pub name: String,
    /// Where the weights are.
    pub source: ModelSource,
    /// Where the weights of its eyes are: the projector from pictures to tokens, for models that have one.
    pub projector: Option<ModelSource>,
    /// Adapters that requests may choose from; none by default. They are loaded with the model, and a load fails where
    /// one of them does.
    pub adapters: Vec<AdapterSpec>,
    /// Tokens that prompt and answer may have together, per lane. 0 takes what the model was trained with.
    pub context_len: u32,
    /// CPU threads that compute for this model, at least 1.
    pub threads: u32,
    /// Layers offloaded to a GPU, where the engine has one. 0 keeps the model on the CPU.
    pub gpu_layers: u32,
    /// Exclusive ways into each replica, at least 1. With one lane a request's text is what it is alone, bit by bit; the
    /// lanes of a replica are computed together, which may change the rounding.
    pub lanes: u32,
    /// How the engine goes about it.
    pub tuning: Tuning,
    /// A chat template to use in place of the model's own, where the engine has templates; its text. `None` by default.
    pub chat_template: Option<String>,
}

/// What changes how fast a model answers, and how much memory it takes. An engine ignores what it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Contexts over the same weights, at least 1, each with [`lanes`](ModelSpec::lanes) of its own; default 1.
    pub replicas: u32,
    /// Prompt tokens computed in one step, at least 1; default 64. A step is not interrupted: a request that leaves, and
    /// the next token of every other lane of the replica, may wait for this many.
    pub step_tokens: u32,
    /// MiB of memory for what lanes have computed of conversations that made room for others, of all replicas together;
    /// default 0. What is kept is used for a prompt that begins with the same tokens, and changes no text that is not changed
    /// by a lane's using what it has computed itself.
    pub saved_state_mib: u32,
    /// Tokens of an answer that are guessed from what was said before and computed together with the next one, where an
    /// engine can do that without another text; default 0, which guesses nothing. Only for a model with one lane per
    /// replica.
    pub draft_tokens: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { replicas: 1, step_tokens: 64, saved_state_mib: 0, draft_tokens: 0 }
    }
}

impl ModelSpec {
    /// A model as its file has it: its own context, one thread, one lane, on the CPU, everything else at its default.
    pub fn new(name: impl Into<String>, source: ModelSource) -> Self {
        Self {
            name: name.into(),
            source,
            projector: None,
            adapters: Vec::new(),
            context_len: 0,
            threads: 1,
            gpu_layers: 0,
            lanes: 1,
            tuning: Tuning::default(),
            chat_template: None,
        }
    }
}

/// Where a model's weights are.
#[derive(Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A file.
    File(PathBuf),
    /// Bytes built into the program.
    Embedded(&'static [u8]),
}

impl std::fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            // The weights themselves would fill the log.
            Self::Embedded(bytes) => write!(f, "Embedded({} bytes)", bytes.len()),
        }
    }
}

/// A loaded instance.
pub struct LoadedModel {
    /// What the engine found in the model.
    pub info: ModelInfo,
    /// Turns prompts into tokens, beside the lanes.
    pub encoder: Arc<dyn PromptEncoder>,
    /// As many lanes as were asked for, of all replicas together. Each may be used by one owner at a time.
    pub lanes: Vec<Box<dyn Lane>>,
}

/// What the engine found in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelInfo {
    /// Tokens that prompt and answer may have together, per lane.
    pub context_len: u32,
    /// Parameters, 0 where the engine does not say.
    pub parameters: u64,
    /// Bytes of weights, 0 where the engine does not say.
    pub weight_bytes: u64,
    /// What can be asked of it.
    pub capabilities: Capabilities,
}

/// What can be asked of a model. A request for anything else is refused before it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Lane::generate`](crate::Lane::generate): it continues texts and conversations.
    pub generation: bool,
    /// [`Chat::tools`](crate::Chat::tools): its template knows them, and its calls are understood.
    pub tools: bool,
    /// [`GenerateOptions::constraint`](crate::GenerateOptions::constraint).
    pub constraints: bool,
    /// [`GenerateOptions::logprobs`](crate::GenerateOptions::logprobs).
    pub logprobs: bool,
    /// [`Lane::embed`](crate::Lane::embed) of texts.
    pub embeddings: bool,
    /// [`Lane::embed`](crate::Lane::embed) of [pairs](crate::Pair).
    pub rerank: bool,
    /// [`ChatMessage::images`](crate::ChatMessage::images).
    pub vision: bool,
}

impl Capabilities {
    /// All of them.
    pub const ALL: Self = Self {
        generation: true,
        tools: true,
        constraints: true,
        logprobs: true,
        embeddings: true,
        rerank: true,
        vision: true,
    };

    /// The names of those that it has.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let Self { generation, tools, constraints, logprobs, embeddings, rerank, vision } = self;
        let all = [
            (generation, "generation"),
            (tools, "tools"),
            (constraints, "constraints"),
            (logprobs, "logprobs"),
            (embeddings, "embeddings"),
            (rerank, "rerank"),
            (vision, "vision"),
        ];
        all.into_iter().filter_map(|(has, name)| has.then_some(name))
    }
}

impl Default for Capabilities {
    /// Text, and nothing besides.
    fn default() -> Self {
        Self {
            generation: true,
            tools: false,
            constraints: false,
            logprobs: false,
            embeddings: false,
            rerank: false,
            vision: false,
        }
    }
}

/// What an instance keeps of conversations that made room for others, of all replicas together. For display: it changes while
/// somebody looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SavedStates {
    /// Bytes that are taken.
    pub bytes: u64,
    /// How often something was brought back since the load.
    pub restored: u64,
    /// How many went since the load to make room for others.
    pub evicted: u64,
}

/// Turns prompts into tokens. Needs no lane, so any number of requests may ask at the same time.
#[async_trait]
pub trait PromptEncoder: Send + Sync + 'static {
    /// Renders and tokenises a prompt. Does not block the executor: long work runs elsewhere.
    ///
    /// # Errors
    /// See [`PromptError`]: a prompt that comes back `Ok` fits the context.
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError>;

    /// Checks what a request asks of this model besides its prompt, so that what it cannot do is refused before it waits.
    ///
    /// Does not block the executor. The default takes everything: a lane looks again, and fails the request.
    ///
    /// # Errors
    /// [`PromptError::Options`], with a reason for the one who asked.
    async fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), PromptError> {
        let (_, _) = (prompt, options);
        Ok(())
    }

    /// What is kept of conversations that made room for others, with [`Tuning::saved_state_mib`]. By default nothing.
    fn saved_states(&self) -> SavedStates {
        SavedStates::default()
    }

    // The defaults of the following are an engine's that has no template and tells no token: for tests.

    /// The text that the model's template makes of a conversation, up to where the answer begins.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`] and [`PromptError::Template`].
    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        drop(chat);
        Err(PromptError::NoTemplate)
    }

    /// The tokens of a text, however many. Control tokens written out in it are control tokens where `specials` says so,
    /// and it begins as a prompt does where `as_prompt` says so.
    ///
    /// # Errors
    /// [`PromptError::Failed`], and [`PromptError::TooLong`] for texts of many contexts.
    async fn tokenize(&self, text: String, specials: bool, as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        let (_, _) = (specials, as_prompt);
        Ok(self.encode(Prompt::Text(text)).await?.tokens)
    }

    /// The bytes of each of these tokens; those of a token that no vocabulary has are an error.
    ///
    /// # Errors
    /// [`PromptError::UnknownToken`].
    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        tokens.first().map_or(Ok(Vec::new()), |&token| Err(PromptError::UnknownToken { token }))
    }
}
