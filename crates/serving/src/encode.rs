//! From what a request says to what a lane takes. Needs no lane.

use backend::{Chat, EncodedPrompt, GenerateOptions, GenerateRequest, Prompt, PromptError};

use crate::feature::Feature;
use crate::instance::{Instance, Loaded, State};
use crate::live::LiveRequest;
use crate::{Input, Phase, Refusal, Shorten};

/// What a lane is wanted for.
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and nearly all are generations")]
pub(crate) enum Work {
    Generate { input: Input, shorten: Option<Shorten>, options: GenerateOptions, max_tokens: u32 },
    Embed { inputs: Vec<Input> },
}

/// The same in tokens.
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and nearly all are generations")]
pub(crate) enum Task {
    Generate(GenerateRequest),
    Embed(Vec<EncodedPrompt>),
}

impl Task {
    /// Tokens of the prompt, or of all inputs.
    pub(crate) fn prompt_tokens(&self) -> u32 {
        let tokens = match self {
            Self::Generate(request) => request.prompt.tokens.len(),
            Self::Embed(inputs) => inputs.iter().map(|input| input.tokens.len()).sum(),
        };
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

/// What a lane takes, and where it came from.
pub(crate) struct Encoded {
    pub(crate) task: Task,
    /// The load whose encoder made it.
    by: u64,
    /// Whether each input was given in tokens.
    in_tokens: Vec<bool>,
    /// For a context that is smaller than that of this load.
    shorten: Option<Shorten>,
}

impl Encoded {
    /// Encodes it once more if the model was let go and loaded again since: the file may have another vocabulary now, or
    /// another context. To be called under a lease, so that the load that is there now is the one that will run it.
    pub(crate) async fn again(self, instance: &Instance, live: &LiveRequest) -> Result<Self, Refusal> {
        match instance.state() {
            State::Ready(loaded) if loaded.number != self.by => encode(instance, live, self.undone()).await,
            _ => Ok(self),
        }
    }

    fn undone(self) -> Work {
        let mut in_tokens = self.in_tokens.into_iter();
        let mut input = |encoded: EncodedPrompt| {
            let is_given_in_tokens = in_tokens.next().unwrap_or(false);
            if is_given_in_tokens { Input::Tokens(encoded.tokens) } else { Input::Prompt(encoded.prompt) }
        };
        match self.task {
            Task::Generate(GenerateRequest { prompt, options, max_tokens }) => {
                Work::Generate { input: input(prompt), shorten: self.shorten, options, max_tokens }
            }
            Task::Embed(inputs) => Work::Embed { inputs: inputs.into_iter().map(input).collect() },
        }
    }
}

/// Encodes it as soon as the model is loaded, and looks whether the model can do what is asked.
pub(crate) async fn encode(instance: &Instance, live: &LiveRequest, work: Work) -> Result<Encoded, Refusal> {
    let loaded = instance.loaded().await?;
    live.set_loaded();
    if let Some(feature) = missing(&loaded, &work) {
        return Err(Refusal::Unsupported { model: instance.id().to_string(), feature });
    }
    if live.granted().is_none() {
        live.set_phase(Phase::Waiting);
    }
    let is_tokens = |input: &Input| matches!(input, Input::Tokens(_));
    let (task, in_tokens, shorten) = match work {
        Work::Generate { input, mut shorten, options, max_tokens } => {
            let in_tokens = vec![is_tokens(&input)];
            let prompt = match (input, &mut shorten) {
                (Input::Prompt(Prompt::Chat(chat)), Some(shorten)) => fitted(&loaded, chat, shorten).await,
                (input, _) => tokens_of(&loaded, input).await,
            };
            let prompt = prompt.map_err(Refusal::Prompt)?;
            loaded.encoder.check(&prompt, &options).await.map_err(Refusal::Prompt)?;
            (Task::Generate(GenerateRequest { prompt, options, max_tokens }), in_tokens, shorten)
        }
        Work::Embed { inputs } => {
            let in_tokens = inputs.iter().map(is_tokens).collect();
            let mut encoded = Vec::with_capacity(inputs.len());
            let is_one = inputs.len() == 1;
            for (index, input) in inputs.into_iter().enumerate() {
                let refuse = |error| if is_one { Refusal::Prompt(error) } else { Refusal::Input { index, error } };
                encoded.push(tokens_of(&loaded, input).await.map_err(refuse)?);
            }
            (Task::Embed(encoded), in_tokens, None)
        }
    };
    Ok(Encoded { task, by: loaded.number, in_tokens, shorten })
}

fn missing(loaded: &Loaded, work: &Work) -> Option<Feature> {
    let has = loaded.info.capabilities;
    match work {
        Work::Generate { input: Input::Prompt(prompt), options, .. } => Feature::missing(has, prompt, options),
        Work::Generate { input: Input::Tokens(_), options, .. } => {
            Feature::missing(has, &Prompt::Text(String::new()), options)
        }
        Work::Embed { inputs } => {
            let is_pair = |input: &Input| matches!(input, Input::Prompt(Prompt::Pair(_)));
            let pairs = inputs.iter().any(is_pair).then_some((Feature::Rerank, has.rerank));
            let texts = inputs.iter().any(|input| !is_pair(input)).then_some((Feature::Embeddings, has.embeddings));
            [pairs, texts].into_iter().flatten().find(|(_, has)| !has).map(|(feature, _)| feature)
        }
    }
}

/// Encodes a conversation, and as long as it does not fit, what is left of it.
async fn fitted(loaded: &Loaded, mut chat: Chat, shorten: &mut Shorten) -> Result<EncodedPrompt, PromptError> {
    loop {
        match loaded.encoder.encode(Prompt::Chat(chat.clone())).await {
            Err(PromptError::TooLong { tokens, context_len }) if shorten(&mut chat, tokens, context_len) => {}
            encoded => return encoded,
        }
    }
}

async fn tokens_of(loaded: &Loaded, input: Input) -> Result<EncodedPrompt, PromptError> {
    let tokens = match input {
        Input::Prompt(prompt) => return loaded.encoder.encode(prompt).await,
        Input::Tokens(tokens) => tokens,
    };
    let context_len = loaded.info.context_len;
    if tokens.is_empty() {
        return Err(PromptError::Empty);
    }
    if tokens.len() >= context_len as usize {
        let tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        return Err(PromptError::TooLong { tokens, context_len });
    }
    // Asked for their bytes so that a token that the engine does not have ends here.
    let bytes = loaded.encoder.token_bytes(tokens.clone()).await?.concat();
    Ok(EncodedPrompt { prompt: Prompt::Text(String::from_utf8_lossy(&bytes).into_owned()), tokens })
}
