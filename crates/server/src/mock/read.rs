//! From text to a script, or to everything that is wrong with it, each with line and key.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserializer;
use serde_json::Value;
use serving::Tier;
use toml::de::{DeTable, DeValue};

use super::script::Script;
use crate::config::{Collector, Problem, Problems, closest};

/// Reads TOML.
pub(super) fn toml(text: &str, file: &str) -> Result<Script, Problems> {
    let mut problems = Collector::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        problems.add(&error.span().unwrap_or_default(), "", error.message());
    }
    // After an error of syntax half of the keys would be reported as missing.
    if !errors.is_empty() {
        return Err(problems.into_problems(file));
    }
    let found = match toml::Deserializer::parse(text) {
        Ok(deserializer) => typed(deserializer, |error| error.message().to_owned()),
        Err(error) => Err(vec![(String::new(), error.message().to_owned())]),
    };
    match found {
        Ok(script) => Ok(script),
        Err(found) => {
            for (key, message) in found {
                problems.add(&span(document.get_ref(), &key), key.clone(), message);
            }
            Err(problems.into_problems(file))
        }
    }
}

/// Reads JSON.
pub(super) fn json(text: &str) -> Result<Script, Problems> {
    let found = match serde_json::from_str::<Value>(text) {
        Ok(value) => typed(value, serde_json::Error::to_string),
        Err(error) => Err(vec![(String::new(), format!("is not valid JSON: {error}"))]),
    };
    let problem = |(key, message)| Problem { line: None, key, message };
    found.map_err(|found| Problems { file: "script".into(), problems: found.into_iter().map(problem).collect() })
}

/// Everything that is wrong with a script that exists.
pub(super) fn check(script: &Script) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> =
        script.rules().check().into_iter().map(|objection| (objection.key, objection.message)).collect();
    let mut taken = BTreeSet::new();
    for (index, model) in script.models.iter().enumerate() {
        let mut add = |key: &str, message: String| found.push((format!("models[{index}].{key}"), message));
        let fits = |name: &String| (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        for (key, name) in
            std::iter::once(("name", &model.name)).chain(model.aliases.iter().map(|alias| ("aliases", alias)))
        {
            if !fits(name) {
                add(key, "must be 1 to 100 visible ASCII characters without spaces".into());
            } else if !taken.insert(name.clone()) {
                add(key, format!("the name \"{name}\" is taken"));
            }
        }
        let mut adapters = BTreeSet::new();
        for adapter in &model.adapters {
            if !fits(adapter) || adapter.contains(':') {
                add("adapters", "must be 1 to 100 visible ASCII characters each, without a colon".into());
            } else if !adapters.insert(adapter) || !taken.insert(format!("{}:{adapter}", model.name)) {
                add("adapters", format!("the name \"{adapter}\" is taken"));
            }
        }
        let bounds = [
            ("lanes", (1..=1024).contains(&model.lanes), "must be an integer from 1 to 1024"),
            ("context_len", model.context_len >= 2, "must be at least 2"),
            ("max_tokens", model.max_tokens >= 1, "must be at least 1"),
            ("bytes_per_token", (1..=3).contains(&model.bytes_per_token), "must be an integer from 1 to 3"),
            ("jitter_percent", model.jitter_percent <= 100, "must be an integer from 0 to 100"),
            ("embedding_len", (1..=65_536).contains(&model.embedding_len), "must be an integer from 1 to 65536"),
        ];
        for (key, _, message) in bounds.into_iter().filter(|(_, holds, _)| !holds) {
            add(key, message.into());
        }
    }
    let played = script.played();
    let names: Vec<&str> = played
        .iter()
        .flat_map(|model| std::iter::once(&model.name).chain(&model.aliases))
        .map(String::as_str)
        .collect();
    let known = |key: String, name: &String, found: &mut Vec<(String, String)>| {
        if !names.contains(&name.as_str()) {
            let hint = closest(name, &names).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            found.push((key, format!("there is no model \"{name}\"{hint}")));
        }
    };
    for tier in Tier::ALL {
        if let Some(name) = script.tiers.given(tier) {
            known(format!("tiers.{}", tier.as_str()), name, &mut found);
        }
    }
    let adapters: Vec<&str> = played.iter().flat_map(|model| &model.adapters).map(String::as_str).collect();
    for (index, rule) in script.rules.iter().enumerate() {
        let Some(name) = rule.when.adapter.as_deref().filter(|name| !adapters.contains(name)) else { continue };
        let hint = closest(name, &adapters).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        found.push((format!("rules[{index}].when.adapter"), format!("no model has an adapter \"{name}\"{hint}")));
    }
    let ids: Vec<&str> = played.iter().map(|model| model.name.as_str()).collect();
    let conditions = script.rules.iter().map(|rule| rule.when.model.as_ref()).enumerate();
    let conditions = conditions.filter_map(|(index, name)| Some((format!("rules[{index}].when.model"), name?)));
    let faults = script.faults.iter().map(|fault| fault.model.as_ref()).enumerate();
    let faults = faults.filter_map(|(index, name)| Some((format!("faults[{index}].model"), name?)));
    for (key, name) in conditions.chain(faults) {
        // Rules see the model that answers, whatever name it was asked for by.
        if names.contains(&name.as_str()) && !ids.contains(&name.as_str()) {
            found.push((key, format!("\"{name}\" is an alias; name the model itself")));
        } else {
            known(key, name, &mut found);
        }
    }
    found
}

/// Reads a script and reports what is wrong with it as keys and messages.
fn typed<'de, D>(deserializer: D, message: fn(&D::Error) -> String) -> Result<Script, Vec<(String, String)>>
where
    D: Deserializer<'de>,
{
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(bracketed(&path.to_string()));
    let read: Result<Script, _> =
        serde_path_to_error::deserialize(serde_ignored::Deserializer::new(deserializer, &mut note));
    let mut found: Vec<(String, String)> = unknown.into_iter().map(|key| unknown_key(&key)).collect();
    match read {
        Ok(script) => {
            found.extend(check(&script));
            if found.is_empty() { Ok(script) } else { Err(found) }
        }
        Err(error) => {
            let key = error.path().to_string();
            found.push((if key == "." { String::new() } else { key }, message(error.inner())));
            Err(found)
        }
    }
}

/// `rules.0.when` as `rules[0].when`. What stands for "some" in between is left out.
fn bracketed(path: &str) -> String {
    path.split('.').filter(|part| *part != "?").fold(String::new(), |mut key, part| {
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            key += &format!("[{part}]");
        } else {
            key += if key.is_empty() { "" } else { "." };
            key += part;
        }
        key
    })
}

/// `rules[0].when` as its parts.
fn parts(key: &str) -> Vec<&str> {
    key.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty()).collect()
}

fn unknown_key(key: &str) -> (String, String) {
    let parts = parts(key);
    let Some((name, above)) = parts.split_last() else { return (key.to_owned(), "unknown key".to_owned()) };
    let known = keys_at(above);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let message = match closest(name, &known) {
        Some(near) => format!("unknown key; did you mean \"{near}\"?"),
        None if known.is_empty() => "unknown key".to_owned(),
        None => format!("unknown key; known are {}", known.join(", ")),
    };
    (key.to_owned(), message)
}

/// The keys that the schema knows at this place.
fn keys_at(path: &[&str]) -> Vec<String> {
    let root = Script::schema();
    let mut places = vec![&root];
    for part in path {
        places = places.into_iter().flat_map(|place| below(&root, place, part)).collect();
    }
    let places: Vec<&Value> = places.into_iter().flat_map(|place| ways(&root, place)).collect();
    let objects = places.iter().filter_map(|place| place.get("properties")?.as_object());
    objects.flat_map(|object| object.keys().cloned()).collect()
}

fn below<'a>(root: &'a Value, place: &'a Value, part: &str) -> Vec<&'a Value> {
    let is_index = part.bytes().all(|byte| byte.is_ascii_digit());
    let step = |way: &'a Value| if is_index { way.get("items") } else { way.get("properties")?.get(part) };
    ways(root, place).into_iter().filter_map(step).collect()
}

/// What a schema may mean: itself, what it refers to, and each of its alternatives.
fn ways<'a>(root: &'a Value, place: &'a Value) -> Vec<&'a Value> {
    let target = place.get("$ref").and_then(Value::as_str).and_then(|name| root.pointer(name.strip_prefix('#')?));
    let alternatives = place.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let more = target.into_iter().chain(alternatives).flat_map(|way| ways(root, way));
    std::iter::once(place).chain(more).collect()
}

/// Where a key stands, or else the nearest thing above it.
fn span(document: &DeTable<'_>, key: &str) -> Range<usize> {
    let mut at = 0..0;
    let mut parts = parts(key).into_iter();
    let Some(first) = parts.next() else { return at };
    let Some((name, value)) = document.iter().find(|(name, _)| name.get_ref() == first) else { return at };
    at = name.span();
    let mut value = value.get_ref();
    for part in parts {
        let next = match value {
            DeValue::Table(table) => {
                let entry = table.iter().find(|(name, _)| name.get_ref() == part);
                entry.map(|(name, value)| (name.span(), value.get_ref()))
            }
            DeValue::Array(array) => {
                part.parse::<usize>().ok().and_then(|n| array.get(n)).map(|value| (value.span(), value.get_ref()))
            }
            _ => None,
        };
        let Some((found, inner)) = next else { break };
        (at, value) = (found, inner);
    }
    at
}
