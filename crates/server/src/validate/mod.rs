//! From the bytes of a request to something that can be run, or to the field that has to change.
//!
//! Nothing is guessed: a field that this server knows and cannot honour is refused by name, because an
//! answer that ignores it would look like one that followed it. Fields that nobody knows are passed over.

mod anthropic;
mod completions;
mod embeddings;
mod input;
mod llama;
mod messages;
mod options;
mod picture;
mod pictures;
mod read;
mod rerank;
mod responses;
mod said;
#[cfg(test)]
mod tests;
mod tokens;
mod tools;
mod unsupported;

pub(crate) use anthropic::{count, messages as anthropic_messages};
pub(crate) use completions::completion;
pub(crate) use embeddings::{EmbeddingFormat, embeddings};
pub(crate) use llama::llama_completion;
pub(crate) use picture::from_bytes as picture_from_bytes;
pub(crate) use pictures::{Met, Pictures};
pub(crate) use rerank::rerank;
pub(crate) use responses::responses;
pub(crate) use tokens::{detokenize, template, tokenize};

use backend::{Chat as Conversation, GenerateOptions};

use crate::error::Fields;
use crate::limits::{CHOICES_MAX, MODEL_MAX_BYTES};
use crate::wire::generation::GenerationFields;
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

    /// The same with a reason that has the field for its subject.
    fn about(param: &str, reason: &str) -> Self {
        Self::field(param, format!("{param} {reason}"))
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
pub(crate) fn chat(body: &[u8], messages_max: usize, pictures: &mut Pictures) -> Result<Chat, BadRequest> {
    let (mut fields, request) = read::generation::<ChatRequest>(body, unsupported::CHAT)?;
    let logprobs = match (request.logprobs.unwrap_or(false), options::count("top_logprobs", request.top_logprobs)?) {
        (true, top) => Some(top.unwrap_or(0)),
        (false, None | Some(0)) => None,
        (false, Some(_)) => {
            return Err(BadRequest::field("top_logprobs", "top_logprobs needs logprobs to be true"));
        }
    };
    let has_grammar = fields.grammar.is_some();
    let stream = streaming(&fields)?;
    let asked = asked(&mut fields, logprobs)?;
    let tools = tools::tools(request.tools)?;
    let tool_choice = tools::choice(request.tool_choice, &tools)?;
    let single_call = request.parallel_tool_calls == Some(false);
    let messages = messages::check(request.messages, messages_max, pictures)?;
    let conversation = Conversation { messages, tools, tool_choice, single_call };
    // A form for the answer and a call cannot both be had.
    if asked.options.constraint.is_some() && conversation.may_call() {
        let message =
            "response_format and grammar go without tools: leave the tools out, or set tool_choice to \"none\"";
        return Err(BadRequest::field("response_format", message));
    }
    let fields = names(&asked.options, conversation.may_call(), has_grammar, Fields::CHAT.prompt);
    Ok(Chat { asked, conversation, fields, stream })
}

/// Checks what every request for an answer can say.
fn asked(fields: &mut GenerationFields, logprobs: Option<u32>) -> Result<Asked, BadRequest> {
    let options = options::read(fields, logprobs)?;
    let max_tokens = max_tokens(fields)?;
    let choices = choices(fields.n)?;
    let seed = fields.seed.map(fold_seed);
    Ok(Asked { model: model(fields.model.take())?, options, seed, max_tokens, choices })
}

/// What an error that comes later names. The engine's objections have no field: they are about what is compiled, or else
/// about single tokens.
fn names(options: &GenerateOptions, may_call: bool, has_grammar: bool, prompt: &'static str) -> Fields {
    let constraint = if has_grammar { "grammar" } else { Fields::CHAT.constraint };
    let options = match options {
        GenerateOptions { constraint: Some(_), .. } => Some(constraint),
        _ if may_call => Some("tools"),
        GenerateOptions { sampling, .. } => (!sampling.logit_bias.is_empty()).then_some("logit_bias"),
    };
    Fields { prompt, constraint, options }
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

/// `max_completion_tokens` is the newer name of `max_tokens`, and `n_predict` is llama.cpp's.
fn max_tokens(request: &GenerationFields) -> Result<Option<u32>, BadRequest> {
    let given = [
        ("max_completion_tokens", request.max_completion_tokens),
        ("max_tokens", request.max_tokens),
        ("n_predict", request.n_predict.filter(|&n| n != -1)),
    ];
    let mut first = None;
    for (field, number) in given {
        let Some(number) = positive(field, number)? else { continue };
        let (name, bound) = *first.get_or_insert((field, number));
        if bound != number {
            let message = format!("{field} is {number} and {name} is {bound}: they mean the same, so give one");
            return Err(BadRequest::field(field, message));
        }
    }
    Ok(first.map(|(_, number)| number))
}

fn positive(field: &str, given: Option<i64>) -> Result<Option<u32>, BadRequest> {
    match given.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(number)) if number >= 1 => Ok(Some(number)),
        Some(_) => Err(BadRequest::field(field, format!("{field} must be an integer from 1 to {}", u32::MAX))),
    }
}

fn streaming(request: &GenerationFields) -> Result<Option<Streaming>, BadRequest> {
    let include_usage = request.stream_options.as_ref().map(|options| options.include_usage.unwrap_or(false));
    match (request.stream.unwrap_or(false), include_usage) {
        (true, include_usage) => Ok(Some(Streaming { include_usage: include_usage.unwrap_or(false) })),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(BadRequest::field("stream_options", "stream_options needs stream to be true")),
    }
}
