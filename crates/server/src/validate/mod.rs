//! From the bytes of a request to something that can be run, or to the field that has to change.
//!
//! Nothing is guessed: a field that this server knows and cannot honour is refused by name, because an
//! answer that ignores it would look like one that followed it. Fields that nobody knows are passed over.

mod embeddings;
mod input;
mod messages;
mod options;
mod read;
#[cfg(test)]
mod tests;
mod tools;
mod unsupported;

pub(crate) use embeddings::{EmbeddingFormat, embeddings};

use backend::{Chat as Conversation, GenerateOptions};

use crate::error::Fields;
use crate::limits::{CHOICES_MAX, MODEL_MAX_BYTES};
use crate::wire::request::ChatRequest;

/// A request that says something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRequest {
    /// What is wrong and what would be right.
    pub(crate) message: String,
    /// The field to change, as a path: `messages[0].role`.
    pub(crate) param: Option<String>,
}

impl BadRequest {
    /// The field `param` has to change.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param.into()) }
    }
}

/// What every request for an answer says, whatever its protocol.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) model: String,
    /// Checked. The seed in it counts only where [`seed`](Self::seed) says so.
    pub(crate) options: GenerateOptions,
    /// The seed that the client chose.
    pub(crate) seed: Option<u32>,
    pub(crate) max_tokens: Option<u32>,
    /// How many answers are wanted, at least 1.
    pub(crate) choices: u32,
}

/// A chat that can be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chat {
    pub(crate) asked: Asked,
    pub(crate) conversation: Conversation,
    /// What an error that comes later names.
    pub(crate) fields: Fields,
    /// How the answer is to be streamed, if it is.
    pub(crate) stream: Option<Streaming>,
}

/// How an answer is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streaming {
    pub(crate) include_usage: bool,
}

/// Reads and checks the body of a chat request, which may have `messages_max` messages.
pub(crate) fn chat(body: &[u8], messages_max: usize) -> Result<Chat, BadRequest> {
    let mut request: ChatRequest = read::request(body, unsupported::CHAT)?;
    let has_grammar = request.grammar.is_some();
    let options = options::read(&mut request)?;
    let max_tokens = max_tokens(&request)?;
    let stream = streaming(&request)?;
    let choices = choices(request.n)?;
    let model = model(request.model)?;
    let messages = messages::check(request.messages, messages_max)?;
    let tools = tools::tools(request.tools)?;
    let tool_choice = tools::choice(request.tool_choice, &tools)?;
    let single_call = request.parallel_tool_calls == Some(false);
    let conversation = Conversation { messages, tools, tool_choice, single_call };
    // A form for the answer and a call cannot both be had.
    if options.constraint.is_some() && conversation.may_call() {
        let message =
            "response_format and grammar go without tools: leave the tools out, or set tool_choice to \"none\"";
        return Err(BadRequest::field("response_format", message));
    }
    let seed = request.seed.map(fold_seed);
    let fields = fields(&options, &conversation, has_grammar);
    Ok(Chat { asked: Asked { model, options, seed, max_tokens, choices }, conversation, fields, stream })
}

/// The engine's objections have no field. They are about what is compiled, or else about single tokens.
fn fields(options: &GenerateOptions, conversation: &Conversation, has_grammar: bool) -> Fields {
    let constraint = if has_grammar { "grammar" } else { Fields::CHAT.constraint };
    let options = match options {
        GenerateOptions { constraint: Some(_), .. } => Some(constraint),
        _ if conversation.may_call() => Some("tools"),
        GenerateOptions { sampling, .. } => (!sampling.logit_bias.is_empty()).then_some("logit_bias"),
    };
    Fields { constraint, options, ..Fields::CHAT }
}

fn choices(n: Option<i64>) -> Result<u32, BadRequest> {
    match u32::try_from(n.unwrap_or(1)) {
        Ok(n) if (1..=CHOICES_MAX).contains(&n) => Ok(n),
        _ => Err(BadRequest::field("n", format!("n must be an integer from 1 to {CHOICES_MAX}"))),
    }
}

fn model(model: Option<String>) -> Result<String, BadRequest> {
    match model {
        Some(name) if name.len() > MODEL_MAX_BYTES => Err(BadRequest::field(
            "model",
            format!("model has more than {MODEL_MAX_BYTES} bytes: name one of those that GET /v1/models lists"),
        )),
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(BadRequest::field("model", "model is missing: name one of those that GET /v1/models lists")),
    }
}

/// Any integer is a seed; those of 32 bits are taken as they are.
fn fold_seed(seed: i64) -> u32 {
    let bits = seed.cast_unsigned();
    (bits ^ (bits >> 32)) as u32
}

/// `max_completion_tokens` is the newer name of `max_tokens`.
fn max_tokens(request: &ChatRequest) -> Result<Option<u32>, BadRequest> {
    let check = |field: &str, given: Option<i64>| match given.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(tokens)) if tokens >= 1 => Ok(Some(tokens)),
        Some(_) => Err(BadRequest::field(field, format!("{field} must be an integer from 1 to {}", u32::MAX))),
    };
    let older = check("max_tokens", request.max_tokens)?;
    let newer = check("max_completion_tokens", request.max_completion_tokens)?;
    match (older, newer) {
        (Some(older), Some(newer)) if older != newer => Err(BadRequest::field(
            "max_tokens",
            format!("max_tokens is {older} and max_completion_tokens is {newer}: they mean the same, so give one"),
        )),
        (older, newer) => Ok(newer.or(older)),
    }
}

fn streaming(request: &ChatRequest) -> Result<Option<Streaming>, BadRequest> {
    let include_usage = request.stream_options.as_ref().map(|options| options.include_usage.unwrap_or(false));
    match (request.stream.unwrap_or(false), include_usage) {
        (true, include_usage) => Ok(Some(Streaming { include_usage: include_usage.unwrap_or(false) })),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(BadRequest::field("stream_options", "stream_options needs stream to be true")),
    }
}
