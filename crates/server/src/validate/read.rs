//! From bytes to the wire type. Most requests are what they should be, and are read at once; of the others it is found out,
//! field by field, what is wrong: syntax first, then what is not supported, then types.

mod at_once;

use std::collections::BTreeSet;

use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::unsupported::Rule;
use super::{BadRequest, unsupported};
use crate::echo;
use crate::wire::generation::GenerationFields;

/// Reads a request for an answer: what all of them can say, and the rest. What it says is not checked yet, but for the
/// fields that ask for what this server has not.
pub(super) fn generation<T: DeserializeOwned>(
    body: &[u8],
    rules: &[Rule],
) -> Result<(GenerationFields, T), BadRequest> {
    match at_once::generation(body) {
        Some(read) => Ok(read),
        None => generation_field_by_field(body, rules),
    }
}

/// Reads a request of another kind in the same way.
pub(super) fn request<T: DeserializeOwned>(body: &[u8], rules: &[Rule]) -> Result<T, BadRequest> {
    match at_once::request(body) {
        Some(read) => Ok(read),
        None => request_field_by_field(body, rules),
    }
}

fn request_field_by_field<T: DeserializeOwned>(body: &[u8], rules: &[Rule]) -> Result<T, BadRequest> {
    let mut fields = object(body)?;
    unsupported::take_out(&mut fields, rules)?;
    typed(Value::Object(fields), pass_over)
}

fn generation_field_by_field<T: DeserializeOwned>(
    body: &[u8],
    rules: &[Rule],
) -> Result<(GenerationFields, T), BadRequest> {
    let mut fields = object(body)?;
    unsupported::take_out(&mut fields, rules)?;
    let fields = Value::Object(fields);
    // Each of the two takes its own fields, and what neither takes is unknown.
    let mut others = BTreeSet::new();
    let common = typed(&fields, |path| {
        others.insert(path);
    })?;
    let rest = typed(fields, |path| {
        if others.contains(&path) {
            pass_over(path);
        }
    })?;
    Ok((common, rest))
}

fn typed<'de, T: DeserializeOwned>(
    fields: impl Deserializer<'de, Error = serde_json::Error>,
    mut ignored: impl FnMut(String),
) -> Result<T, BadRequest> {
    let mut track = serde_path_to_error::Track::new();
    let typed = serde_path_to_error::Deserializer::new(fields, &mut track);
    let read = serde_ignored::deserialize(typed, |path| ignored(path.to_string()));
    read.map_err(|error: serde_json::Error| {
        let path = track.path().to_string();
        let path = echo::value(&path);
        BadRequest { message: format!("{path}: {}", echo::sentence(&error.to_string())), param: Some(path.into()) }
    })
}

fn pass_over(path: impl ToString) {
    tracing::debug!(field = %echo::value(&path.to_string()), "unknown field passed over");
}

fn object(body: &[u8]) -> Result<Map<String, Value>, BadRequest> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // The place is the field that was being read; outside of every field there is none, and a field may have no name.
        let path = error.path().to_string();
        syntax(error.inner(), (!path.is_empty() && path != ".").then(|| echo::value(&path).into()))
    })?;
    json.end().map_err(|error| syntax(&error, None))?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(BadRequest { message: "the body must be a JSON object".into(), param: None }),
    }
}

/// The error says line and column itself.
fn syntax(error: &serde_json::Error, param: Option<String>) -> BadRequest {
    BadRequest { message: format!("the body is not valid JSON: {}", echo::sentence(&error.to_string())), param }
}
