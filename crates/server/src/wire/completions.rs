//! `POST /v1/completions`: a text that is continued, as the OpenAI protocol writes it.

use backend::{Candidate, TokenLogprob};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input::InputEntry;
use super::response::Usage;

/// The body, beside the [`GenerationFields`](super::generation::GenerationFields).
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct CompletionRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) prompt: Option<InputEntry>,
    /// Whether the answer begins with the prompt.
    pub(crate) echo: Option<bool>,
    /// How many alternatives are told of each token.
    pub(crate) logprobs: Option<i64>,
    pub(crate) best_of: Option<i64>,
}

/// The answer, and each piece of a streamed one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Completion<'a> {
    pub(crate) id: &'a str,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) choices: Vec<CompletionChoice<'a>>,
    /// As in a [`ChatChunk`](super::chunk::ChatChunk).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Option<Usage>>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CompletionChoice<'a> {
    pub(crate) text: &'a str,
    pub(crate) index: u32,
    pub(crate) logprobs: Option<TokenLists>,
    pub(crate) finish_reason: Option<&'static str>,
}

/// How likely tokens were: lists beside each other.
#[derive(Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenLists {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    /// Token -> how likely.
    top_logprobs: Vec<Map<String, Value>>,
    /// Where each begins, in characters.
    text_offset: Vec<usize>,
}

/// Counts where the tokens of a choice begin.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    chars: usize,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Offsets {
    /// Writes the tokens that come next. `None` where nobody asked for them.
    pub(crate) fn write<'a>(&mut self, tokens: impl IntoIterator<Item = &'a TokenLogprob>) -> Option<TokenLists> {
        let mut lists = TokenLists::default();
        for TokenLogprob { chosen, top } in tokens {
            lists.tokens.push(name(&chosen.bytes));
            lists.token_logprobs.push(finite(chosen));
            lists.top_logprobs.push(top.iter().map(|one| (name(&one.bytes), finite(one).into())).collect());
            lists.text_offset.push(self.chars);
            self.advance(&chosen.bytes);
        }
        (!lists.tokens.is_empty()).then_some(lists)
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        for chunk in std::mem::take(&mut self.begun).utf8_chunks() {
            self.chars += chunk.valid().chars().count();
            match std::str::from_utf8(chunk.invalid()) {
                // What may still become a character.
                Err(error) if error.error_len().is_none() => self.begun = chunk.invalid().to_vec(),
                Err(_) => self.chars += 1,
                Ok(_) => {}
            }
        }
    }
}

/// What JSON can write of it. See [`logprobs`](super::logprobs).
fn finite(candidate: &Candidate) -> f32 {
    super::logprobs::finite(candidate.logprob)
}

/// The token's text; where that is a part of a character, its bytes, so that two of them are not called the same.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |name, byte| name + &format!("\\x{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use backend::{Candidate, TokenLogprob};
    use serde_json::json;

    use super::Offsets;

    fn likely(bytes: &[u8]) -> TokenLogprob {
        let chosen = Candidate { bytes: bytes.to_vec(), logprob: -0.5 };
        let never = Candidate { bytes: b"z".to_vec(), logprob: f32::NEG_INFINITY };
        TokenLogprob { top: vec![chosen.clone(), never], chosen }
    }

    /// A character in two tokens begins with the first of them, and the second begins behind what is complete.
    #[test]
    fn tokens_begin_where_the_text_before_them_ends() {
        let mut offsets = Offsets::default();
        let tokens = [likely(b"a"), likely(&[0xc3]), likely(&[0xa4]), likely(b"c")];
        let lists = serde_json::to_value(offsets.write(&tokens)).expect("JSON");
        assert_eq!(lists["tokens"], json!(["a", "bytes:\\xc3", "bytes:\\xa4", "c"]));
        assert_eq!(lists["text_offset"], json!([0, 1, 1, 2]));
        assert_eq!(lists["top_logprobs"][0], json!({"a": -0.5, "z": -9999.0}));
        assert_eq!(serde_json::to_value(offsets.write(&[likely(b"d")])).expect("JSON")["text_offset"], json!([3]));
        assert_eq!(offsets.write(&[]), None);
    }
}
