//! How the answer is to be generated: sampling, stop strings, its form, and what is told about it.

use backend::{
    Adapter, Constraint, Dry, GenerateOptions, Mirostat, MirostatVersion, OutOfRange, Sampling, Scale, TokenId, Xtc,
};
use serde_json::Value;

use super::BadRequest;
use crate::limits::{STOP_MAX_BYTES, STOPS_MAX};
use crate::wire::generation::{GenerationFields, LogitBias, LoraEntry, ResponseFormat, Stop};

/// Reads everything about how to generate. An explicit 0 is a value, not an absence.
pub(super) fn read(request: &mut GenerationFields, logprobs: Option<u32>) -> Result<GenerateOptions, BadRequest> {
    let defaults = GenerateOptions::default();
    Ok(GenerateOptions {
        sampling: sampling(request)?,
        stop: stop("stop", texts(request.stop.take()))?,
        constraint: constraint(request.response_format.take(), request.grammar.take())?,
        // llama.cpp's name, which asks for log probabilities by itself.
        logprobs: logprobs.or(count("n_probs", request.n_probs)?.filter(|&n| n > 0)),
        adapter: adapter(request.lora.take())?,
        ignore_end: request.ignore_eos.unwrap_or(defaults.ignore_end),
        cache_prompt: request.cache_prompt.unwrap_or(defaults.cache_prompt),
        ..defaults
    })
}

fn sampling(request: &GenerationFields) -> Result<Sampling, BadRequest> {
    let defaults = Sampling::default();
    checked(Sampling {
        temperature: real(request.temperature, defaults.temperature),
        top_k: whole(request.top_k, defaults.top_k),
        top_p: real(request.top_p, defaults.top_p),
        min_p: real(request.min_p, defaults.min_p),
        typical_p: real(request.typical_p, defaults.typical_p),
        repeat_penalty: real(request.repeat_penalty, defaults.repeat_penalty),
        repeat_last_n: whole(request.repeat_last_n, defaults.repeat_last_n),
        frequency_penalty: real(request.frequency_penalty, defaults.frequency_penalty),
        presence_penalty: real(request.presence_penalty, defaults.presence_penalty),
        xtc: xtc(request),
        dry: dry(request),
        mirostat: mirostat(request)?,
        logit_bias: logit_bias(request.logit_bias.as_ref())?,
        seed: defaults.seed,
    })
}

/// The sampling, if every range holds.
pub(super) fn checked(sampling: Sampling) -> Result<Sampling, BadRequest> {
    sampling.check().map_err(|error: OutOfRange| BadRequest::field(error.field, error.to_string()))?;
    Ok(sampling)
}

/// A number that f32 cannot hold ends as one that the range check refuses.
pub(super) fn real(given: Option<f64>, default: f32) -> f32 {
    given.map_or(default, |value| value as f32)
}

/// The same for u32.
pub(super) fn whole(given: Option<i64>, default: u32) -> u32 {
    given.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX))
}

fn xtc(request: &GenerationFields) -> Option<Xtc> {
    // llama.cpp's defaults: never, and from a tenth on.
    let asked = request.xtc_probability.is_some() || request.xtc_threshold.is_some();
    asked.then(|| Xtc { probability: real(request.xtc_probability, 0.0), threshold: real(request.xtc_threshold, 0.1) })
}

fn dry(request: &GenerationFields) -> Option<Dry> {
    let defaults = Dry::default();
    let asked = request.dry_multiplier.is_some()
        || request.dry_base.is_some()
        || request.dry_allowed_length.is_some()
        || request.dry_penalty_last_n.is_some()
        || request.dry_sequence_breakers.is_some();
    asked.then(|| Dry {
        multiplier: real(request.dry_multiplier, defaults.multiplier),
        base: real(request.dry_base, defaults.base),
        allowed_length: whole(request.dry_allowed_length, defaults.allowed_length),
        // llama.cpp's -1 is the whole context.
        penalty_last_n: match request.dry_penalty_last_n {
            Some(-1) => defaults.penalty_last_n,
            given => whole(given, defaults.penalty_last_n),
        },
        sequence_breakers: request.dry_sequence_breakers.clone().unwrap_or(defaults.sequence_breakers),
    })
}

fn mirostat(request: &GenerationFields) -> Result<Option<Mirostat>, BadRequest> {
    let version = match request.mirostat.unwrap_or(0) {
        0 => return Ok(None),
        1 => MirostatVersion::V1,
        2 => MirostatVersion::V2,
        _ => return Err(BadRequest::field("mirostat", "mirostat must be 0, 1 or 2")),
    };
    Ok(Some(Mirostat { version, tau: real(request.mirostat_tau, 5.0), eta: real(request.mirostat_eta, 0.1) }))
}

fn logit_bias(bias: Option<&LogitBias>) -> Result<Vec<(TokenId, f32)>, BadRequest> {
    let pair = |(token, bias): &(Value, Value)| {
        let token = token.as_u64().and_then(|token| TokenId::try_from(token).ok());
        // To forbid a token, llama.cpp's clients write false, and the protocol's -100.
        let bias = if *bias == false { Some(f32::NEG_INFINITY) } else { bias.as_f64().map(|bias| bias as f32) };
        token.zip(bias)
    };
    let read: Option<Vec<_>> = match bias {
        None => Some(Vec::new()),
        Some(LogitBias::Object(object)) => {
            object.iter().map(|(token, bias)| Some((token.parse().ok()?, *bias as f32))).collect()
        }
        Some(LogitBias::Pairs(pairs)) => pairs.iter().map(pair).collect(),
    };
    read.ok_or_else(|| BadRequest::field("logit_bias", "logit_bias must have numbers of tokens, and a number for each"))
}

fn texts(stop: Option<Stop>) -> Vec<String> {
    match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    }
}

/// Checks the texts of the field `path` that end an answer.
pub(super) fn stop(path: &str, stop: Vec<String>) -> Result<Vec<String>, BadRequest> {
    if stop.len() > STOPS_MAX {
        let message = format!("{path} has {} texts, and {STOPS_MAX} are the most", stop.len());
        return Err(BadRequest::field(path, message));
    }
    // Every piece of the answer is compared with each of them.
    if stop.iter().any(|text| text.len() > STOP_MAX_BYTES) {
        return Err(BadRequest::field(path, format!("{path} has a text of more than {STOP_MAX_BYTES} bytes")));
    }
    if stop.iter().any(String::is_empty) {
        let message = format!("{path} has an empty text, which would end every answer before it begins");
        return Err(BadRequest::field(path, message));
    }
    Ok(stop)
}

/// A JSON Schema, which is an object, in the field `path`.
pub(super) fn schema(path: &str, schema: Option<Value>) -> Result<Constraint, BadRequest> {
    let schema = schema.filter(Value::is_object);
    let schema = schema.ok_or_else(|| BadRequest::field(path, format!("{path} must be a JSON Schema, an object")))?;
    Ok(Constraint::JsonSchema(schema.to_string()))
}

fn constraint(format: Option<ResponseFormat>, grammar: Option<String>) -> Result<Option<Constraint>, BadRequest> {
    const FIELD: &str = "response_format";
    let format = match format {
        None => None,
        Some(ResponseFormat { kind, json_schema }) => match kind.as_deref() {
            Some("text") => None,
            Some("json_object") => Some(Constraint::JsonObject),
            Some("json_schema") => {
                let path = format!("{FIELD}.json_schema.schema");
                Some(schema(&path, json_schema.and_then(|wrapped| wrapped.schema))?)
            }
            _ => {
                let path = format!("{FIELD}.type");
                let message = format!("{path} must be \"text\", \"json_object\" or \"json_schema\"");
                return Err(BadRequest::field(path, message));
            }
        },
    };
    match (format, grammar) {
        (Some(_), Some(_)) => Err(BadRequest::field("grammar", "grammar and response_format exclude each other")),
        (format, grammar) => Ok(format.or(grammar.map(Constraint::Grammar))),
    }
}

/// The adapter of those that are listed. llama.cpp adds several up, and those that are not listed are left out there as well.
fn adapter(entries: Option<Vec<LoraEntry>>) -> Result<Option<Adapter>, BadRequest> {
    let mut chosen = None;
    for (index, LoraEntry { id, scale }) in entries.unwrap_or_default().into_iter().enumerate() {
        let bad = |key: &str, must: &str| {
            BadRequest::field(format!("lora[{index}].{key}"), format!("lora[{index}].{key} {must}"))
        };
        let number = id.and_then(|id| u32::try_from(id).ok());
        let number =
            number.ok_or_else(|| bad("id", "must be the number of an adapter: GET /lora-adapters lists them"))?;
        let range = format!("must be a number from -{max} to {max}", max = Scale::MAX);
        let scale = scale.and_then(|scale| Scale::new(scale as f32).ok()).ok_or_else(|| bad("scale", &range))?;
        if scale.get() != 0.0 && chosen.replace(Adapter { number, scale }).is_some() {
            return Err(BadRequest::field(
                "lora",
                "lora has two adapters, and one is applied at a time: set the others to 0",
            ));
        }
    }
    Ok(chosen)
}

/// How many alternatives are told of each token.
pub(super) fn count(field: &str, given: Option<i64>) -> Result<Option<u32>, BadRequest> {
    let max = GenerateOptions::LOGPROBS_MAX;
    match given.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(n)) if n <= max => Ok(Some(n)),
        Some(_) => Err(BadRequest::field(field, format!("{field} must be an integer from 0 to {max}"))),
    }
}
