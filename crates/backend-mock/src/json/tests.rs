//! What is made is what a validator accepts.

use serde_json::{Value, json};

use super::for_schema;

fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"], "additionalProperties": false}),
        json!({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0.5, "maximum": 0.6}, "minItems": 3}),
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4, "uniqueItems": true}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"const": 7}], "items": false}),
        json!({"enum": ["low", "high", 3, null]}),
        json!({"type": "string", "minLength": 30, "maxLength": 31}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "string", "pattern": "^[A-Z]{2}-\\d{4}(x|y)?$"}),
        json!({"type": "string", "format": "date-time"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": ["string", "null"]}),
        json!({"type": "integer", "exclusiveMaximum": -5}),
        json!({"type": "integer", "minimum": 7, "multipleOf": 5}),
        json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
        json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}}),
        json!({"type": "object", "required": ["free"]}),
        json!({"type": "object"}),
        json!({}),
        json!(true),
    ]
}

#[test]
fn a_validator_accepts_what_is_made_for_every_schema_and_seed() {
    for schema in schemas() {
        let validator = jsonschema::options().should_validate_formats(true).build(&schema);
        let validator = validator.unwrap_or_else(|error| panic!("{schema}: {error}"));
        for seed in 0..20 {
            let made = for_schema(&schema.to_string(), seed).unwrap_or_else(|error| panic!("{schema}: {error}"));
            let value: Value = serde_json::from_str(&made).unwrap();
            assert!(validator.is_valid(&value), "{made} does not fit {schema}");
            assert_eq!(for_schema(&schema.to_string(), seed).as_ref(), Ok(&made), "two runs differ");
        }
    }
}

#[test]
fn what_cannot_be_met_is_an_error_and_not_a_loop() {
    let endless = json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/a"}}}}});
    for (schema, part) in [
        (json!(false), "accepts nothing"),
        (json!({"type": "integer", "minimum": 3, "maximum": 2}), "no number"),
        (json!({"type": "string", "minLength": 1_000_000}), "10000 are the most"),
        (json!({"$ref": "#/$defs/none"}), "not in the schema"),
        (json!({"type": "array", "items": {"enum": [1]}, "minItems": 2, "uniqueItems": true}), "different"),
        (endless, "without end"),
    ] {
        let error = for_schema(&schema.to_string(), 0).expect_err("it cannot be met");
        assert!(error.contains(part), "{schema}: {error}");
    }
    assert!(for_schema("{", 0).is_err());
}
