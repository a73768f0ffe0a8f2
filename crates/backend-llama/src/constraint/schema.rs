//! JSON Schemas, as far as they are honoured.
//!
//! | honoured | |
//! |---|---|
//! | anything | `type` (one or several), `enum`, `const`, `anyOf`, `allOf`, `oneOf` where the choices exclude each other, `$ref` into the same schema |
//! | objects | `properties`, `required`, `additionalProperties`, `patternProperties`, `minProperties`, `maxProperties` |
//! | arrays | `items`, `prefixItems`, `additionalItems`, `minItems`, `maxItems` |
//! | strings | `minLength`, `maxLength`, `pattern`, `format` (dates, times, durations, addresses, URIs, UUIDs) |
//! | numbers | `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf` |
//!
//! What describes and does not restrict (`title`, `description`, `default`, `examples`, ...) is ignored, and so are words
//! that are no keywords. Every other keyword (`not`, `if`, `contains`, `uniqueItems`, `propertyNames`,
//! `unevaluatedProperties`, `dependentRequired`, ...) is an error that names it: an answer that is said to follow a
//! schema follows all of it.
//!
//! Properties come in the order of the schema, and there is little white space: one blank, or a line end with some
//! blanks. A model that may write any amount of it sometimes writes nothing else.

use llguidance::JsonCompileOptions;
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::{DEPTH_MAX, TEXT_BYTES_MAX};

/// What may stand between two parts of the JSON.
const WHITE_SPACE: &str = r" |\n[ \t]{0,20}";

/// The key under which llguidance takes options from a schema. A client must not set them: one says not to be strict.
const OPTIONS_KEY: &str = "x-guidance";

/// The grammar of any JSON object.
pub(super) fn any_object() -> TopLevelGrammar {
    from_value(json!({ "type": "object" }))
}

/// The grammar of a schema.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn grammar(text: &str) -> Result<TopLevelGrammar, String> {
    Ok(from_value(read(text)?))
}

/// Reads a schema and checks its measures.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the schema has {} bytes, of {TEXT_BYTES_MAX} that it may have", text.len()));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("the schema is not JSON: {error}"))?;
    if depth(&schema) > DEPTH_MAX {
        return Err(format!("the schema nests more than {DEPTH_MAX} deep"));
    }
    match &schema {
        Value::Object(object) if object.contains_key(OPTIONS_KEY) => {
            Err(format!("the schema has the keyword {OPTIONS_KEY}, which is not supported"))
        }
        Value::Object(_) => Ok(schema),
        // All JSON and none; both are schemas.
        Value::Bool(true) => Ok(json!({})),
        Value::Bool(false) => Err("the schema is false, so no answer can follow it".to_string()),
        _ => Err("the schema must be a JSON object".to_string()),
    }
}

/// The schema as llguidance takes it, with our options.
pub(crate) fn with_options(mut schema: Value) -> Value {
    let options = JsonCompileOptions { whitespace_pattern: Some(WHITE_SPACE.to_string()), ..Default::default() };
    options.apply_to(&mut schema);
    schema
}

fn from_value(schema: Value) -> TopLevelGrammar {
    TopLevelGrammar::from_json_schema(with_options(schema))
}

/// How deep a value nests. The parser's own limit bounds the recursion.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What the compiler objected to, in the words of the one who wrote the schema.
pub(super) fn explain(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    if let Some(keys) = first.split("Unimplemented keys: ").nth(1) {
        return format!("the schema has the keywords {keys}, which are not supported");
    }
    if first.contains("coerce_one_of") {
        return "the schema has the keyword oneOf with choices that may hold together, which is not supported; \
                use anyOf, or tell them apart by a const"
            .to_string();
    }
    first.to_string()
}
