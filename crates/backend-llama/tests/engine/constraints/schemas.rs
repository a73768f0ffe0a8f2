//! Random schemas.

use std::fmt::Write;

use backend::conformance::kit;
use backend::{Constraint, FinishReason, Sampling};
use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::{load, request};

/// Schemas that look random, the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// A schema of something that ends soon, since the model has room for some hundred bytes.
    fn schema(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 7 } else { 11 }) {
            0 => json!({ "type": "null" }),
            1 => json!({ "type": "boolean" }),
            2 => self.integer(),
            3 => self.number(),
            4 => self.string(),
            5 => self.choice(),
            6 => json!({ "type": ["boolean", "null"], "title": "either" }),
            7 => self.array(depth - 1),
            8 | 9 => self.object(depth - 1),
            _ => {
                let options: Vec<Value> = (0..1 + self.below(3)).map(|_| self.schema(depth - 1)).collect();
                json!({ "anyOf": options })
            }
        }
    }

    fn integer(&mut self) -> Value {
        let min = i64::try_from(self.below(300)).expect("it is small") - 150;
        let max = min + i64::try_from(self.below(300)).expect("it is small");
        let mut schema = json!({ "type": "integer", "minimum": min, "maximum": max });
        match self.below(4) {
            0 => schema["exclusiveMinimum"] = json!(min - 1),
            1 if max - min >= 7 => schema["multipleOf"] = json!(7),
            _ => {}
        }
        schema
    }

    fn number(&mut self) -> Value {
        // Bounds alone allow any number of digits after the point.
        let min = self.below(50);
        json!({ "type": "number", "minimum": min, "maximum": min + 1 + self.below(50), "multipleOf": 0.25 })
    }

    fn string(&mut self) -> Value {
        match self.below(5) {
            0 => json!({ "type": "string", "format": "date" }),
            1 => json!({ "type": "string", "format": "uuid" }),
            2 => json!({ "type": "string", "pattern": "^[a-z]{2,5}-[0-9]{1,3}$" }),
            3 => json!({ "type": "string", "pattern": "^(né|\\d\\.)\\w?\"$" }),
            _ => {
                let min = self.below(4);
                json!({ "type": "string", "minLength": min, "maxLength": min + self.below(12) })
            }
        }
    }

    fn choice(&mut self) -> Value {
        match self.below(3) {
            0 => json!({ "const": { "kind": "fixed", "n": [1, 2.5, null] } }),
            1 => json!({ "enum": ["red", "grün", "a \"b\" \\ c", 7, null] }),
            _ => json!({ "type": "string", "enum": ["alpha", "beta"], "description": "one of two" }),
        }
    }

    fn array(&mut self, depth: u64) -> Value {
        let min = self.below(3);
        let mut schema = json!({ "type": "array", "minItems": min, "maxItems": min + self.below(3) });
        if self.below(3) == 0 {
            schema["prefixItems"] = json!([self.schema(0)]);
        }
        schema["items"] = self.schema(depth);
        schema
    }

    fn object(&mut self, depth: u64) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for n in 0..self.below(4) {
            let mut name = format!("p{n}");
            if self.below(4) == 0 {
                let _ = write!(name, " \"ü\"");
            }
            if self.below(3) > 0 {
                required.push(name.clone());
            }
            properties.insert(name, self.schema(depth));
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

/// Whatever the schema, the answer follows it, and an independent validator agrees.
/// Method: 200 schemas at a high temperature. An answer that the context cut says nothing, so few may be cut.
#[tokio::test]
async fn every_answer_follows_its_schema() {
    let (model, mut lane) = load().await;
    let mut draw = Draw(4);
    println!("seed=4");
    let (mut n_cut, mut n_bytes) = (0, 0);
    for n in 0..200 {
        let schema = if n % 2 == 0 { draw.object(2) } else { draw.schema(2) };
        let mut request = request(&model, "Fill it in.", Constraint::JsonSchema(schema.to_string())).await;
        request.options.sampling = Sampling { temperature: 1.5, top_k: 0, seed: n, ..Sampling::default() };
        let prompt = request.prompt.clone();
        model.encoder.check(&prompt, &request.options).await.unwrap_or_else(|error| panic!("{error} for {schema}"));
        let answer = kit::run(lane.as_mut(), request).await;
        if answer.reason() == FinishReason::Length {
            n_cut += 1;
            continue;
        }
        let text = answer.text();
        n_bytes += text.len();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} for {schema}"));
        let validator = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = validator.build(&schema).expect("the schema is one");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {text} for {schema}");
    }
    println!("{n_cut} cut, {n_bytes} bytes");
    assert!(n_cut <= 10, "{n_cut} answers were cut");
    assert!(n_bytes > 3000, "the answers say hardly anything: {n_bytes} bytes");
}
