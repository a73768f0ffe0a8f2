//! An engine that looks at what reaches it: whatever a parser lets through must be within the bounds that it states.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::{
    Backend, Chat, Embedding, EncodedPrompt, EventStream, GenerateError, GenerateOptions, GenerateRequest, Lane,
    LaneBroken, LoadError, LoadProgress, LoadedModel, ModelSpec, Prompt, PromptEncoder, PromptError, Role, TokenId,
    ToolChoice,
};
use backend_mock::MockBackend;

use super::world::MESSAGES_MAX;

/// What was out of bounds.
#[derive(Clone, Default)]
pub(crate) struct Objections(Arc<Mutex<Vec<String>>>);

impl Objections {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn hold(&self, what: &str, holds: bool) {
        if !holds {
            self.0.lock().unwrap().push(what.to_owned());
        }
    }

    fn options(&self, options: &GenerateOptions) {
        self.hold("sampling is within its ranges", options.sampling.check().is_ok());
        self.hold("at most 4 stop strings", options.stop.len() <= 4);
        let is_short = |text: &String| (1..=256).contains(&text.len());
        self.hold("stop strings have 1 to 256 bytes", options.stop.iter().all(is_short));
        self.hold("at most 20 log probabilities", options.logprobs.is_none_or(|n| n <= 20));
    }

    fn prompt(&self, prompt: &Prompt) {
        match prompt {
            Prompt::Chat(chat) => self.chat(chat),
            Prompt::Pair(pair) => self.hold("documents are ranked by something", !pair.query.is_empty()),
            Prompt::Text(_) => {}
        }
    }

    fn chat(&self, chat: &Chat) {
        // A message of EDISON's or Anthropic's protocol may be two, and instructions are one more.
        self.hold("a conversation has a bound", (1..=2 * MESSAGES_MAX + 2).contains(&chat.messages.len()));
        self.hold("at most 128 tools", chat.tools.len() <= 128);
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            (1..=64).contains(&name.len()) && name.bytes().all(plain)
        };
        self.hold("tools have names", chat.tools.iter().all(|tool| is_name(&tool.name)));
        let mut names: Vec<_> = chat.tools.iter().map(|tool| &tool.name).collect();
        names.sort_unstable();
        names.dedup();
        self.hold("no two tools have one name", names.len() == chat.tools.len());
        self.hold("at most 16 pictures", chat.images().count() <= 16);
        let is_small = |width: u32, height: u32| u64::from(width) * u64::from(height) <= 1 << 20;
        self.hold("pictures are kept small", chat.images().all(|image| is_small(image.width(), image.height())));
        for message in &chat.messages {
            let placed = message.images.iter();
            let fits = placed.clone().all(|placed| message.content.is_char_boundary(placed.at));
            self.hold("pictures stand between characters", fits && placed.is_sorted_by_key(|placed| placed.at));
            let may_see = matches!(message.role, Role::User | Role::Tool);
            self.hold("pictures are what users send and tools return", may_see || message.images.is_empty());
            let calls = !message.tool_calls.is_empty();
            self.hold("only answers call", message.role == Role::Assistant || !calls);
            self.hold("results are of a call", (message.role == Role::Tool) == message.tool_call_id.is_some());
        }
    }
}

/// The mock, watched.
pub(crate) struct Witness {
    pub(crate) inner: MockBackend,
    pub(crate) objections: Objections,
}

#[async_trait]
impl Backend for Witness {
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError> {
        let LoadedModel { info, encoder, lanes } = self.inner.load(spec, progress).await?;
        let objections = &self.objections;
        let watched = |inner| Box::new(WatchedLane { inner, objections: objections.clone() }) as Box<dyn Lane>;
        let encoder = Arc::new(WatchedEncoder { inner: encoder, objections: objections.clone() });
        Ok(LoadedModel { info, encoder, lanes: lanes.into_iter().map(watched).collect() })
    }
}

struct WatchedLane {
    inner: Box<dyn Lane>,
    objections: Objections,
}

#[async_trait]
impl Lane for WatchedLane {
    fn generate(&mut self, mut request: GenerateRequest) -> EventStream<'_> {
        self.objections.options(&request.options);
        self.objections.prompt(&request.prompt.prompt);
        self.objections.hold("an answer has a token at least", request.max_tokens >= 1);
        // What the mock cannot make an answer of is a failure of the engine, and none of the parsers.
        request.options.constraint = None;
        if let Prompt::Chat(chat) = &mut request.prompt.prompt {
            chat.tool_choice = ToolChoice::Auto;
        }
        self.inner.generate(request)
    }

    fn announce(&mut self, request_id: &str) {
        self.inner.announce(request_id);
    }

    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        self.objections.hold("1 to 2048 inputs", (1..=2048).contains(&inputs.len()));
        let n_pairs = inputs.iter().filter(|input| matches!(input.prompt, Prompt::Pair(_))).count();
        self.objections.hold(
            "at most 1000 documents, and nothing else",
            n_pairs == 0 || (n_pairs == inputs.len() && n_pairs <= 1000),
        );
        self.inner.embed(inputs).await
    }

    async fn quiesce(&mut self) {
        self.inner.quiesce().await;
    }

    fn is_broken(&self) -> bool {
        self.inner.is_broken()
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        self.inner.reset().await
    }
}

struct WatchedEncoder {
    inner: Arc<dyn PromptEncoder>,
    objections: Objections,
}

#[async_trait]
impl PromptEncoder for WatchedEncoder {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        self.objections.prompt(&prompt);
        self.inner.encode(prompt).await
    }

    async fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), PromptError> {
        self.objections.options(options);
        self.inner.check(prompt, options).await
    }

    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        self.objections.chat(&chat);
        self.inner.render(chat).await
    }

    async fn tokenize(&self, text: String, specials: bool, as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        self.inner.tokenize(text, specials, as_prompt).await
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        self.objections.hold("at most 131072 tokens", tokens.len() <= 128 * 1024);
        self.inner.token_bytes(tokens).await
    }
}
