//! A request for embeddings.

use serving::Input;

use super::{BadRequest, input, model, read};
use crate::limits::INPUTS_MAX;
use crate::wire::embeddings::EmbeddingsRequest;

/// A request that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct Embeddings {
    pub(crate) model: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) format: EmbeddingFormat,
    /// The only width that is wanted. What the model's is shows when it has answered.
    pub(crate) dimensions: Option<usize>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmbeddingFormat {
    Float,
    Base64,
}

/// Reads and checks a body.
pub(crate) fn embeddings(body: &[u8]) -> Result<Embeddings, BadRequest> {
    let request: EmbeddingsRequest = read::request(body, &[])?;
    let format = match request.encoding_format.as_deref() {
        None | Some("float") => EmbeddingFormat::Float,
        Some("base64") => EmbeddingFormat::Base64,
        Some(_) => {
            let message = "encoding_format must be \"float\" or \"base64\"";
            return Err(BadRequest::field("encoding_format", message));
        }
    };
    let dimensions = match request.dimensions.map(usize::try_from) {
        None => None,
        Some(Ok(dimensions)) if dimensions >= 1 => Some(dimensions),
        Some(_) => return Err(BadRequest::field("dimensions", "dimensions must be an integer from 1 on")),
    };
    let model = model(request.model)?;
    Ok(Embeddings { model, inputs: input::inputs("input", request.input, INPUTS_MAX)?, format, dimensions })
}

#[cfg(test)]
mod tests {
    use backend::Prompt;
    use serde_json::{Value, json};
    use serving::Input;

    use super::{EmbeddingFormat, Embeddings, embeddings};

    fn read(fields: &Value) -> Result<Embeddings, (Option<String>, String)> {
        let mut body = json!({"model": "m", "input": "a"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        embeddings(body.to_string().as_bytes()).map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let rows = [
            (json!({"model": null}), "model", "missing"),
            (json!({"input": null}), "input", "at least one"),
            (json!({"input": []}), "input", "at least one"),
            (json!({"input": vec!["a"; 2049]}), "input", "2048 are the most"),
            (json!({"input": {"text": "a"}}), "input", "an array of strings"),
            (json!({"input": ["a", 1]}), "input", "an array of strings"),
            (json!({"input": [1, -1]}), "input[1]", "must be a token"),
            (json!({"input": [[1], [1i64 << 32]]}), "input[1][0]", "must be a token"),
            (json!({"encoding_format": "hex"}), "encoding_format", "base64"),
            (json!({"dimensions": 0}), "dimensions", "from 1"),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn texts_and_tokens_are_inputs() {
        let text = |text: &str| Input::Prompt(Prompt::Text(text.into()));
        let rows = [
            (json!("a"), vec![text("a")]),
            (json!(["a", ""]), vec![text("a"), text("")]),
            (json!([7, 0]), vec![Input::Tokens(vec![7, 0])]),
            (json!([[7], []]), vec![Input::Tokens(vec![7]), Input::Tokens(vec![])]),
        ];
        for (input, inputs) in rows {
            let taken = read(&json!({"input": input, "user": "me", "encoding_format": "base64"})).expect("good");
            assert_eq!((taken.inputs, taken.format), (inputs, EmbeddingFormat::Base64));
        }
    }
}
