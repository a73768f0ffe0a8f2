//! A text that is to be continued.

use serving::Input;

use super::{Asked, BadRequest, Streaming, asked, input, names, options, read, streaming, unsupported};
use crate::error::Fields;
use crate::limits::COMPLETIONS_MAX;
use crate::wire::completions::CompletionRequest;

/// A request that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct Completion {
    /// Its choices are those of each prompt.
    pub(crate) asked: Asked,
    pub(crate) prompts: Vec<Input>,
    /// Whether each answer begins with its prompt.
    pub(crate) echo: bool,
    pub(crate) fields: Fields,
    pub(crate) stream: Option<Streaming>,
}

/// Reads and checks a body.
pub(crate) fn completion(body: &[u8]) -> Result<Completion, BadRequest> {
    let (mut fields, request) = read::generation::<CompletionRequest>(body, unsupported::COMPLETION)?;
    let logprobs = options::count("logprobs", request.logprobs)?;
    let has_grammar = fields.grammar.is_some();
    let stream = streaming(&fields)?;
    let asked = asked(&mut fields, logprobs)?;
    if request.best_of.is_some_and(|best_of| best_of != i64::from(asked.choices)) {
        let message = "best_of must be n: every answer is given, and none chosen";
        return Err(BadRequest::field("best_of", message));
    }
    let echo = request.echo.unwrap_or(false);
    if echo && logprobs.is_some() {
        let message = "echo goes without logprobs: how likely the prompt was is not told";
        return Err(BadRequest::field("echo", message));
    }
    let prompts = input::inputs("prompt", request.prompt, COMPLETIONS_MAX)?;
    if prompts.len() * asked.choices as usize > COMPLETIONS_MAX {
        let message = format!("prompt and n ask for more than {COMPLETIONS_MAX} answers");
        return Err(BadRequest::field("prompt", message));
    }
    let fields = names(&asked.options, false, has_grammar, "prompt");
    Ok(Completion { asked, prompts, echo, fields, stream })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Completion, completion};

    fn read(fields: &Value) -> Result<Completion, (Option<String>, String)> {
        let mut body = json!({"model": "m", "prompt": "a"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        completion(body.to_string().as_bytes()).map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let rows = [
            (json!({"prompt": null}), "prompt", "at least one"),
            (json!({"prompt": vec!["a"; 65]}), "prompt", "64 are the most"),
            (json!({"prompt": vec!["a"; 33], "n": 2}), "prompt", "more than 64 answers"),
            (json!({"suffix": "b"}), "suffix", "fills a gap"),
            (json!({"best_of": 2}), "best_of", "must be n"),
            (json!({"echo": true, "logprobs": 0}), "echo", "without logprobs"),
            (json!({"logprobs": 21}), "logprobs", "from 0 to 20"),
            (json!({"logprobs": true}), "logprobs", "invalid type"),
            (json!({"temperature": 3}), "temperature", "from 0 to 2"),
            (json!({"max_tokens": 0}), "max_tokens", "from 1"),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{message}");
        }
    }

    /// 0 asks for how likely each token was, and no alternative; absence asks for nothing.
    #[test]
    fn zero_log_probabilities_are_some() {
        let logprobs = |fields: &Value| read(fields).expect("good").asked.options.logprobs;
        assert_eq!(logprobs(&json!({"logprobs": 0})), Some(0));
        assert_eq!(logprobs(&json!({"suffix": "", "best_of": 1, "logprobs": null})), None);
    }
}
