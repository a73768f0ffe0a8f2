//! An engine that says what it is told to, token by token, and remembers what it was asked. For answers that have more
//! in them than text.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    Backend, Candidate, Capabilities, Chat, Embedding, EncodedPrompt, Event, EventStream, Finish, FinishReason,
    GenerateError, GenerateRequest, Lane, LaneBroken, LoadError, LoadProgress, LoadedModel, ModelInfo, ModelSpec,
    Prompt, PromptEncoder, PromptError, SavedStates, Token, TokenId, TokenLogprob, Usage,
};
use futures_util::stream::{self, StreamExt};

/// What is answered to a request.
pub(crate) type Script = dyn Fn(&GenerateRequest) -> Vec<Token> + Send + Sync;

/// The engine. Every byte of a text is a token, and one token of each prompt was remembered.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) script: Arc<Script>,
    /// How long each token takes.
    pub(crate) time_per_token: Duration,
    pub(crate) capabilities: Capabilities,
    /// Bytes of prompt and tokens of answer together; 64 by default.
    pub(crate) context_len: u32,
    /// Tokens that it says it guessed for each answer, and of these, were right; none by default.
    pub(crate) drafts: (u32, u32),
    /// What it says it keeps; nothing by default.
    pub(crate) saved_states: SavedStates,
    /// What reached the lanes.
    pub(crate) asked: Arc<Mutex<Vec<GenerateRequest>>>,
}

impl Fake {
    pub(crate) fn new(script: impl Fn(&GenerateRequest) -> Vec<Token> + Send + Sync + 'static) -> Self {
        let time_per_token = Duration::from_millis(10);
        Self {
            script: Arc::new(script),
            time_per_token,
            capabilities: Capabilities::ALL,
            context_len: 64,
            drafts: (0, 0),
            saved_states: SavedStates::default(),
            asked: Arc::default(),
        }
    }

    /// One that says the same to everybody, a token for each word.
    pub(crate) fn saying(words: &[&str]) -> Self {
        let tokens: Vec<_> = words.iter().copied().map(Token::text).collect();
        Self::new(move |_| tokens.clone())
    }

    /// The only request that reached a lane.
    pub(crate) fn the_request(&self) -> GenerateRequest {
        let asked = self.asked.lock().expect("nobody panicked");
        assert_eq!(asked.len(), 1);
        asked[0].clone()
    }
}

/// How likely a token was, with one alternative.
pub(crate) fn likely(text: &str, logprob: f32) -> Token {
    let chosen = Candidate { bytes: text.as_bytes().to_vec(), logprob };
    let top = vec![chosen.clone(), Candidate { bytes: vec![0xff], logprob: f32::NEG_INFINITY }];
    Token { logprob: Some(TokenLogprob { chosen, top }), ..Token::text(text) }
}

#[async_trait]
impl Backend for Fake {
    async fn load(&self, spec: ModelSpec, _: LoadProgress) -> Result<LoadedModel, LoadError> {
        let (capabilities, context_len) = (self.capabilities, self.context_len);
        let info = ModelInfo { context_len, parameters: 7, weight_bytes: 9, capabilities };
        let lanes = (0..spec.lanes).map(|_| Box::new(self.clone()) as Box<dyn Lane>).collect();
        let encoder = Arc::new(Bytes { context_len, saved_states: self.saved_states });
        Ok(LoadedModel { info, encoder, lanes })
    }
}

#[async_trait]
impl Lane for Fake {
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        let total = request.prompt.tokens.len() as u32;
        let tokens = (self.script)(&request);
        let reason = match tokens.iter().any(|token| !token.calls.is_empty()) {
            true => FinishReason::ToolCalls,
            false if tokens.len() as u32 >= request.max_tokens => FinishReason::Length,
            false => FinishReason::Stop,
        };
        let completion_tokens = tokens.len() as u32;
        let (drafted_tokens, accepted_tokens) = self.drafts;
        let usage =
            Usage { prompt_tokens: total, cached_tokens: 1, completion_tokens, drafted_tokens, accepted_tokens };
        self.asked.lock().expect("nobody panicked").push(request);
        let events = [Event::Prompt { processed: total, total }]
            .into_iter()
            .chain(tokens.into_iter().map(Event::Token))
            .chain([Event::Finish(Finish { reason, usage })]);
        let time_per_token = self.time_per_token;
        Box::pin(stream::iter(events).then(move |event| async move {
            if matches!(event, Event::Token(_)) {
                tokio::time::sleep(time_per_token).await;
            }
            Ok(event)
        }))
    }

    /// The number of tokens, and one; of a pair only the number.
    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        tokio::time::sleep(self.time_per_token).await;
        let embed = |input: EncodedPrompt| {
            let tokens = input.tokens.len() as u32;
            let width = if matches!(input.prompt, Prompt::Pair(_)) { 1 } else { 2 };
            Embedding { values: [tokens as f32, 1.0][..width].to_vec(), tokens }
        };
        Ok(inputs.into_iter().map(embed).collect())
    }

    async fn quiesce(&mut self) {}

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        Ok(())
    }
}

/// Every byte is a token. Conversations are rendered with a line for each message.
struct Bytes {
    context_len: u32,
    saved_states: SavedStates,
}

impl Bytes {
    fn text(prompt: &Prompt) -> String {
        match prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Pair(pair) => format!("{}|{}", pair.query, pair.document),
            Prompt::Chat(chat) => chat
                .messages
                .iter()
                .map(|message| format!("{}: {}\n", message.role.as_str(), message.content))
                .collect(),
        }
    }
}

#[async_trait]
impl PromptEncoder for Bytes {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        let tokens: Vec<TokenId> = Self::text(&prompt).bytes().map(TokenId::from).collect();
        match tokens.len() {
            0 => Err(PromptError::Empty),
            n if n >= self.context_len as usize => {
                Err(PromptError::TooLong { tokens: n as u32, context_len: self.context_len })
            }
            _ => Ok(EncodedPrompt { prompt, tokens }),
        }
    }

    fn saved_states(&self) -> SavedStates {
        self.saved_states
    }

    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        Ok(Self::text(&Prompt::Chat(chat)))
    }

    async fn tokenize(&self, text: String, _: bool, as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        // What begins a prompt here is a token of its own.
        let begin = as_prompt.then_some(1);
        Ok(begin.into_iter().chain(text.bytes().map(TokenId::from)).collect())
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        let bytes = |token| u8::try_from(token).map(|byte| vec![byte]).map_err(|_| PromptError::UnknownToken { token });
        tokens.into_iter().map(bytes).collect()
    }
}
