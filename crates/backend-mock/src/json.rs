//! JSON that a JSON Schema accepts: the smallest that is not empty, and always the same for the same seed.
//!
//! What it knows: types, `enum`, `const`, `default` and `examples`, properties, items, bounds on numbers, lengths and
//! counts, `pattern`, the usual formats, `anyOf`, `oneOf`, `allOf`, and references within the schema. Where a schema says
//! what cannot be met by these, the error says so.

mod pattern;
mod text;

use serde_json::{Map, Number, Value, json};

use crate::chance::mix;

/// How deep values are nested; beyond it what is optional is left out.
const DEPTH: u32 = 6;

/// How deep what is required may nest.
const DEPTH_MAX: u32 = 48;

/// Elements or characters that a schema may demand.
pub(crate) const COUNT_MAX: u64 = 10_000;

/// JSON text that this schema, itself JSON text, accepts.
///
/// # Errors
/// The schema is no JSON, or asks for what is not known here.
pub(crate) fn for_schema(schema: &str, seed: u64) -> Result<String, String> {
    let root: Value = serde_json::from_str(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
    let mut maker = Maker { root: &root, state: seed };
    maker.value(&root, 0).map(|value| value.to_string())
}

struct Maker<'a> {
    root: &'a Value,
    state: u64,
}

impl Maker<'_> {
    fn draw(&mut self, n: usize) -> usize {
        self.state = mix(self.state);
        (self.state % n.max(1) as u64) as usize
    }

    fn value(&mut self, schema: &Value, depth: u32) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("the schema demands values without end".to_owned());
        }
        let Some(schema) = schema.as_object() else {
            return if schema == &Value::Bool(false) {
                Err("the schema accepts nothing".into())
            } else {
                Ok(json!({}))
            };
        };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = self.resolve(target)?;
            return self.value(&merged(&found, schema, &["$ref"]), depth + 1);
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            let mut whole = Value::Object(schema.clone());
            whole.as_object_mut().map(|whole| whole.remove("allOf"));
            for part in all {
                let part = match part.get("$ref").and_then(Value::as_str) {
                    Some(target) => self.resolve(target)?,
                    None => part.clone(),
                };
                whole = joined(&whole, &part);
            }
            return self.value(&whole, depth + 1);
        }
        if let Some(constant) = schema.get("const") {
            return Ok(constant.clone());
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            let at = self.draw(choices.len());
            return choices.get(at).cloned().ok_or_else(|| "the schema has an empty enum".to_owned());
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(ways) = schema.get(key).and_then(Value::as_array) {
                return self.one_of(ways, schema, key, depth);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => self.string(schema).map(Value::String),
            "integer" => number(schema, true),
            "number" => number(schema, false),
            "boolean" => Ok(Value::Bool(self.draw(2) == 0)),
            "null" => Ok(Value::Null),
            other => Err(format!("the schema asks for the unknown type \"{other}\"")),
        }
    }

    /// The first way that works. What is nearest to an end comes first where the values nest deeply.
    fn one_of(&mut self, ways: &[Value], schema: &Map<String, Value>, key: &str, depth: u32) -> Result<Value, String> {
        let mut order: Vec<&Value> = ways.iter().collect();
        if depth >= DEPTH {
            order.sort_by_key(|way| way.get("$ref").is_some() || way.get("properties").is_some());
        }
        let mut why = "the schema has no way to be met".to_owned();
        for way in order {
            match self.value(&merged(way, schema, &[key]), depth + 1) {
                Ok(value) => return Ok(value),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: u32) -> Result<Value, String> {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, property) in properties {
            let is_required = required.contains(&name.as_str());
            if is_required || depth < DEPTH {
                match self.value(property, depth + 1) {
                    Ok(value) => _ = object.insert(name.clone(), value),
                    Err(error) if is_required => return Err(format!("{name}: {error}")),
                    Err(_) => {}
                }
            }
        }
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            let extra = schema.get("additionalProperties").filter(|extra| extra.is_object());
            let value = extra.map_or(Ok(json!("text")), |extra| self.value(extra, depth + 1))?;
            object.insert((*name).to_owned(), value);
        }
        Ok(Value::Object(object))
    }

    fn array(&mut self, schema: &Map<String, Value>, depth: u32) -> Result<Value, String> {
        let first = schema.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut array = first.iter().map(|item| self.value(item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        let count = |key| schema.get(key).and_then(Value::as_u64);
        let min = count("minItems").unwrap_or(0);
        let wanted = if depth < DEPTH { min.max(array.len() as u64 + u64::from(first.is_empty())) } else { min };
        let wanted = wanted.min(count("maxItems").unwrap_or(u64::MAX));
        if wanted > COUNT_MAX {
            return Err(format!("the schema asks for {wanted} elements, and {COUNT_MAX} are the most"));
        }
        array.truncate(usize::try_from(wanted).unwrap_or(usize::MAX).max(first.len().min(array.len())));
        let items = schema.get("items").cloned().unwrap_or_else(|| json!({ "type": "string" }));
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut tries = 0;
        while (array.len() as u64) < wanted {
            let made = match self.value(&items, depth + 1) {
                Err(_) if array.len() as u64 >= min => break,
                made => made?,
            };
            if !unique || !array.contains(&made) {
                array.push(made);
                continue;
            }
            tries += 1;
            match another(&items, &array, tries) {
                Some(other) => array.push(other),
                None if tries > 1_000 => {
                    return Err("the schema asks for more different elements than were found".into());
                }
                None => {}
            }
        }
        Ok(Value::Array(array))
    }

    fn string(&mut self, schema: &Map<String, Value>) -> Result<String, String> {
        let draw = self.draw(usize::MAX);
        text::string(schema, draw)
    }

    fn resolve(&self, target: &str) -> Result<Value, String> {
        let pointer = target.strip_prefix('#').ok_or_else(|| format!("{target} is not within the schema"))?;
        self.root.pointer(pointer).cloned().ok_or_else(|| format!("{target} is not in the schema"))
    }
}

/// The type, also where only its keywords say which.
fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => return kind,
        // `["string", "null"]` is how an optional value is written.
        Some(Value::Array(kinds)) => {
            let kinds = || kinds.iter().filter_map(Value::as_str);
            return kinds().find(|kind| *kind != "null").or_else(|| kinds().next()).unwrap_or("null");
        }
        _ => {}
    }
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if has(&["items", "prefixItems", "minItems"]) {
        "array"
    } else if has(&["pattern", "minLength", "maxLength", "format"]) {
        "string"
    } else if has(&["minimum", "maximum", "multipleOf"]) {
        "number"
    } else {
        "object"
    }
}

/// The smallest number at or above 0 that fits; or the greatest below.
fn number(schema: &Map<String, Value>, whole: bool) -> Result<Value, String> {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(if whole { 1.0 } else { 0.5 });
    let step = if whole { step.max(1.0) } else { step };
    let low = bound("minimum").unwrap_or(f64::NEG_INFINITY).max(bound("exclusiveMinimum").unwrap_or(f64::NEG_INFINITY));
    let high = bound("maximum").unwrap_or(f64::INFINITY).min(bound("exclusiveMaximum").unwrap_or(f64::INFINITY));
    let fits = |n: f64| {
        let above = bound("exclusiveMinimum").is_none_or(|min| n > min) && bound("minimum").is_none_or(|min| n >= min);
        above && bound("exclusiveMaximum").is_none_or(|max| n < max) && bound("maximum").is_none_or(|max| n <= max)
    };
    let near = if low > 0.0 {
        (low / step).ceil()
    } else if high < 0.0 {
        (high / step).floor()
    } else {
        0.0
    };
    let mut tries = [near, near + 1.0, near - 1.0].into_iter().map(|n| n * step).collect::<Vec<_>>();
    if !whole && low.is_finite() && high.is_finite() && bound("multipleOf").is_none() {
        tries.push(f64::midpoint(low, high));
    }
    let found = tries.into_iter().find(|n| fits(*n)).ok_or_else(|| "no number fits the schema's bounds".to_owned())?;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number, and bounds beyond 64 bits saturate")]
    let number = if whole { Some(Number::from(found as i64)) } else { Number::from_f64(found) };
    number.map(Value::Number).ok_or_else(|| "no number fits the schema's bounds".to_owned())
}

/// An element that is not there yet, for arrays of different ones.
fn another(items: &Value, array: &[Value], n: u64) -> Option<Value> {
    let given = |key: &str| items.get(key);
    if ["enum", "const", "pattern", "format", "anyOf", "oneOf", "$ref"].into_iter().any(|key| given(key).is_some()) {
        return None;
    }
    let last = array.last()?;
    let made = match last {
        Value::Number(number) => {
            json!(number.as_f64()? + items.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0) * n as f64)
        }
        Value::String(text) if items.get("pattern").is_none() && items.get("enum").is_none() => {
            json!(format!("{text}{n}"))
        }
        Value::Bool(value) => json!(!value),
        _ => return None,
    };
    let made = match made.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "it was a whole number")]
        Some(float) if last.is_i64() || last.is_u64() => json!(float as i64),
        _ => made,
    };
    let above = |key| made.as_f64().zip(given(key).and_then(Value::as_f64)).is_some_and(|(made, max)| made >= max);
    let long =
        made.as_str().zip(given("maxLength").and_then(Value::as_u64)).is_some_and(|(s, max)| s.len() as u64 > max);
    let beyond =
        above("exclusiveMaximum") || above("maximum") && made.as_f64() != given("maximum").and_then(Value::as_f64);
    (!array.contains(&made) && !beyond && !long).then_some(made)
}

/// `inner` with the keys of the schema around it, apart from `without`.
fn merged(inner: &Value, outer: &Map<String, Value>, without: &[&str]) -> Value {
    let rest: Map<String, Value> =
        outer.iter().filter(|(key, _)| !without.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    joined(&Value::Object(rest), inner)
}

/// Both together: properties and what is required are united, and of the rest the second counts.
fn joined(first: &Value, second: &Value) -> Value {
    let (Some(first), Some(second)) = (first.as_object(), second.as_object()) else { return second.clone() };
    let mut both = first.clone();
    for (key, value) in second {
        match (key.as_str(), both.get_mut(key), value) {
            ("properties", Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            ("required", Some(Value::Array(known)), Value::Array(more)) => known.extend(more.clone()),
            _ => _ = both.insert(key.clone(), value.clone()),
        }
    }
    Value::Object(both)
}

#[cfg(test)]
mod tests;
