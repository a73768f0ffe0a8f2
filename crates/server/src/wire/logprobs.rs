//! How likely tokens were, as the OpenAI protocol writes it.

use backend::{Candidate, TokenLogprob};
use serde::Serialize;

use super::null::Null;

/// Of an answer, or of a piece of it.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Logprobs {
    pub(crate) content: Vec<TokenEntry>,
    refusal: Null,
}

impl Logprobs {
    /// `None` where nobody asked for them.
    pub(crate) fn of<'a>(tokens: impl IntoIterator<Item = &'a TokenLogprob>) -> Option<Self> {
        let content: Vec<_> = tokens.into_iter().map(TokenEntry::from).collect();
        (!content.is_empty()).then_some(Self { content, refusal: Null })
    }
}

/// One token, and what else was likely.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenEntry {
    #[serde(flatten)]
    chosen: CandidateEntry,
    top_logprobs: Vec<CandidateEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
struct CandidateEntry {
    /// With U+FFFD where the bytes are a part of a character.
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

impl From<&TokenLogprob> for TokenEntry {
    fn from(logprob: &TokenLogprob) -> Self {
        Self { chosen: (&logprob.chosen).into(), top_logprobs: logprob.top.iter().map(Into::into).collect() }
    }
}

impl From<&Candidate> for CandidateEntry {
    fn from(candidate: &Candidate) -> Self {
        let token = String::from_utf8_lossy(&candidate.bytes).into_owned();
        Self { token, logprob: finite(candidate.logprob), bytes: candidate.bytes.clone() }
    }
}

/// A token that could not come has what the protocol writes for it: JSON has no infinity.
pub(crate) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}

#[cfg(test)]
mod tests {
    use backend::{Candidate, TokenLogprob};
    use serde_json::json;

    use super::TokenEntry;

    #[test]
    fn a_token_is_told_with_its_bytes_and_without_infinities() {
        let candidate = |bytes: &[u8], logprob| Candidate { bytes: bytes.to_vec(), logprob };
        let logprob = TokenLogprob { chosen: candidate(b"a", -0.5), top: vec![candidate(&[0xc3], f32::NEG_INFINITY)] };
        let expected = json!({
            "token": "a", "logprob": -0.5, "bytes": [97],
            "top_logprobs": [{"token": "\u{fffd}", "logprob": -9999.0, "bytes": [0xc3]}],
        });
        assert_eq!(serde_json::to_value(TokenEntry::from(&logprob)).expect("JSON"), expected);
    }
}
