//! From the bytes of a request to something that can be run, or to the field that has to change.
//!
//! Nothing is guessed: a field that this server knows and cannot honour is refused by name, because an
//! answer that ignores it would look like one that followed it. Fields that nobody knows are passed over.

mod messages;
mod read;
#[cfg(test)]
mod tests;
mod unsupported;

use backend::{ChatMessage, GenerateOptions, Sampling};

use crate::limits::{MODEL_MAX_BYTES, STOP_MAX_BYTES, STOPS_MAX};
use crate::wire::request::{ChatRequest, Stop};

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

/// A request that can be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chat {
    pub(crate) model: String,
    pub(crate) messages: Vec<ChatMessage>,
    /// Checked. The seed in it counts only where [`seed`](Self::seed) says so.
    pub(crate) options: GenerateOptions,
    /// The seed that the client chose.
    pub(crate) seed: Option<u32>,
    pub(crate) max_tokens: Option<u32>,
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
    let request = read::chat_request(body)?;
    let sampling = sampling(&request)?;
    let max_tokens = max_tokens(&request)?;
    let stream = streaming(&request)?;
    if request.n.is_some_and(|n| n != 1) {
        return Err(BadRequest::field("n", "n must be 1: every request gets one answer"));
    }
    Ok(Chat {
        model: model(request.model)?,
        messages: messages::check(request.messages, messages_max)?,
        options: GenerateOptions { sampling, stop: stop(request.stop)?, ..GenerateOptions::default() },
        seed: request.seed.map(fold_seed),
        max_tokens,
        stream,
    })
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

/// Takes the given parameters over the defaults. An explicit 0 is a value, not an absence.
fn sampling(request: &ChatRequest) -> Result<Sampling, BadRequest> {
    let defaults = Sampling::default();
    // A number that f32 or u32 cannot hold ends as one that the range check below refuses.
    let real = |given: Option<f64>, default: f32| given.map_or(default, |value| value as f32);
    let whole =
        |given: Option<i64>, default: u32| given.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX));
    let sampling = Sampling {
        temperature: real(request.temperature, defaults.temperature),
        top_k: whole(request.top_k, defaults.top_k),
        top_p: real(request.top_p, defaults.top_p),
        min_p: real(request.min_p, defaults.min_p),
        repeat_penalty: real(request.repeat_penalty, defaults.repeat_penalty),
        repeat_last_n: whole(request.repeat_last_n, defaults.repeat_last_n),
        frequency_penalty: real(request.frequency_penalty, defaults.frequency_penalty),
        presence_penalty: real(request.presence_penalty, defaults.presence_penalty),
        ..defaults
    };
    sampling.check().map_err(|error| BadRequest::field(error.field, error.to_string()))?;
    Ok(sampling)
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

fn stop(stop: Option<Stop>) -> Result<Vec<String>, BadRequest> {
    let stop = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    };
    if stop.len() > STOPS_MAX {
        let message = format!("stop has {} texts, and {STOPS_MAX} are the most", stop.len());
        return Err(BadRequest::field("stop", message));
    }
    // Every piece of the answer is compared with each of them.
    if stop.iter().any(|text| text.len() > STOP_MAX_BYTES) {
        return Err(BadRequest::field("stop", format!("stop has a text of more than {STOP_MAX_BYTES} bytes")));
    }
    if stop.iter().any(String::is_empty) {
        return Err(BadRequest::field("stop", "stop has an empty text, which would end every answer before it begins"));
    }
    Ok(stop)
}

fn streaming(request: &ChatRequest) -> Result<Option<Streaming>, BadRequest> {
    let include_usage = request.stream_options.as_ref().map(|options| options.include_usage.unwrap_or(false));
    match (request.stream.unwrap_or(false), include_usage) {
        (true, include_usage) => Ok(Some(Streaming { include_usage: include_usage.unwrap_or(false) })),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(BadRequest::field("stream_options", "stream_options needs stream to be true")),
    }
}
