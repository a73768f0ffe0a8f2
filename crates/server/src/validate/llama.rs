//! A text that is to be continued, as llama-server's clients ask for it.

use serving::Input;

use super::{Asked, BadRequest, asked, input, names, options, read, unsupported};
use crate::error::Fields;
use crate::wire::llama::LlamaRequest;

/// A request that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct LlamaCompletion {
    pub(crate) asked: Asked,
    pub(crate) prompt: Input,
    pub(crate) fields: Fields,
    pub(crate) stream: bool,
}

/// Reads and checks the body of `POST /completion`. The model is `first` where it is left out.
pub(crate) fn llama_completion(body: &[u8], first: &str) -> Result<LlamaCompletion, BadRequest> {
    let (mut fields, request) = read::generation::<LlamaRequest>(body, unsupported::LLAMA)?;
    fields.model.get_or_insert_with(|| first.to_owned());
    // Here it means that there is none.
    fields.seed = fields.seed.filter(|&seed| seed != -1);
    let has_grammar = fields.grammar.is_some();
    let stream = fields.stream.unwrap_or(false);
    let mut asked = asked(&mut fields, None)?;
    if asked.choices != 1 {
        return Err(BadRequest::field("n", "n must be 1: POST /v1/completions gives several answers"));
    }
    let mut names = names(&asked.options, false, has_grammar, "prompt");
    if let Some(schema) = request.json_schema {
        if asked.options.constraint.is_some() {
            return Err(BadRequest::field(
                "json_schema",
                "json_schema and other forms for the answer exclude each other",
            ));
        }
        asked.options.constraint = Some(options::schema("json_schema", Some(schema))?);
        names = Fields { constraint: "json_schema", options: Some("json_schema"), ..names };
    }
    let mut prompts = input::inputs("prompt", request.prompt, 1)?;
    let prompt = prompts.pop().expect("there is one at least");
    Ok(LlamaCompletion { asked, prompt, fields: names, stream })
}

#[cfg(test)]
mod tests {
    use backend::{Adapter, Constraint, Prompt, Scale};
    use serde_json::{Value, json};
    use serving::Input;

    use super::{LlamaCompletion, llama_completion};

    fn read(fields: &Value) -> Result<LlamaCompletion, (Option<String>, String)> {
        let mut body = json!({"prompt": "a"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        llama_completion(body.to_string().as_bytes(), "first").map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let rows = [
            (json!({"prompt": null}), "prompt", "at least one"),
            (json!({"prompt": ["a", "b"]}), "prompt", "1 are the most"),
            (json!({"n_predict": 0}), "n_predict", "from 1"),
            (json!({"n_predict": -2}), "n_predict", "from 1"),
            (json!({"n_predict": 5, "max_tokens": 6}), "n_predict", "give one"),
            (json!({"json_schema": 7}), "json_schema", "an object"),
            (json!({"json_schema": {}, "grammar": "root ::= \"a\""}), "json_schema", "exclude"),
            (json!({"logit_bias": [["Hello", 1]]}), "logit_bias", "numbers of tokens"),
            (json!({"logit_bias": [[7, true]]}), "logit_bias", "numbers of tokens"),
            (json!({"id_slot": 0}), "id_slot", "not supported"),
            (json!({"return_tokens": true}), "return_tokens", "not supported"),
            (json!({"t_max_predict_ms": 5}), "t_max_predict_ms", "not supported"),
            (json!({"n": 2}), "n", "must be 1"),
            (json!({"lora": {}}), "lora", "invalid type"),
            (json!({"lora": [{"scale": 1}]}), "lora[0].id", "GET /lora-adapters"),
            (json!({"lora": [{"id": -1, "scale": 1}]}), "lora[0].id", "the number of an adapter"),
            (json!({"lora": [{"id": 0}]}), "lora[0].scale", "from -10 to 10"),
            (json!({"lora": [{"id": 0, "scale": 1}, {"id": 1, "scale": 10.5}]}), "lora[1].scale", "from -10 to 10"),
            (json!({"lora": [{"id": 0, "scale": 1}, {"id": 1, "scale": 1}]}), "lora", "one is applied at a time"),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{fields}: {message}");
        }
    }

    /// One adapter, and the others at 0, as llama-server's clients write it.
    #[test]
    fn an_adapter_is_asked_for_by_its_number() {
        let adapter = |lora: Value| read(&json!({"lora": lora})).expect("good").asked.options.adapter;
        let half = Scale::new(0.5).expect("a scale");
        let chosen = adapter(json!([{"id": 0, "scale": 0}, {"id": 2, "scale": 0.5}, {"id": 1, "scale": 0.0}]));
        assert_eq!(chosen, Some(Adapter { number: 2, scale: half }));
        assert_eq!([adapter(json!([])), adapter(json!(null)), adapter(json!([{"id": 7, "scale": 0}]))], [None; 3]);
    }

    /// What llama-server's clients send by habit is taken, and means what it means there.
    #[test]
    fn minus_one_is_as_much_as_there_is() {
        let habits = json!({
            "n_predict": -1, "seed": -1, "id_slot": -1, "n_keep": 0, "n_indent": 0, "t_max_predict_ms": 0, "lora": [],
            "image_data": [], "return_tokens": false, "min_keep": 0, "dynatemp_range": 0, "dynatemp_exponent": 1,
            "samplers": [], "logit_bias": [[7, 1.5], [8, false]], "json_schema": {"type": "object"}, "n_probs": 2,
        });
        let taken = read(&habits).expect("good");
        assert_eq!((taken.asked.model.as_str(), taken.asked.max_tokens, taken.asked.seed), ("first", None, None));
        assert_eq!(taken.prompt, Input::Prompt(Prompt::Text("a".into())));
        assert_eq!(taken.asked.options.sampling.logit_bias, [(7, 1.5), (8, f32::NEG_INFINITY)]);
        assert!(matches!(taken.asked.options.constraint, Some(Constraint::JsonSchema(_))));
        assert_eq!(taken.asked.options.logprobs, Some(2));
    }
}
