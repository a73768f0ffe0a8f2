//! A constraint at work on one answer.

use backend::TokenId;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llguidance::Matcher;

/// Knows which tokens may follow in one answer.
pub(crate) struct Guard {
    matcher: Matcher,
}

impl Guard {
    pub(super) fn new(matcher: Matcher) -> Self {
        Self { matcher }
    }

    /// Whether a token may follow. `ends` says that it ends the answer.
    ///
    /// # Errors
    /// Why the constraint cannot be followed any further.
    pub(crate) fn allows(&mut self, token: LlamaToken, ends: bool) -> Result<bool, String> {
        let allowed = match TokenId::try_from(token.0) {
            Err(_) => return Ok(false),
            Ok(_) if ends => self.matcher.is_accepting(),
            Ok(id) => self.matcher.validate_tokens(&[id]).map(|n_valid| n_valid == 1),
        };
        allowed.map_err(|error| explain(&error.to_string()))
    }

    /// Leaves the candidates that may follow.
    ///
    /// # Errors
    /// As of [`allows`](Self::allows).
    pub(crate) fn filter(&mut self, candidates: &mut LlamaTokenDataArray) -> Result<(), String> {
        let mask = self.matcher.compute_mask_or_eos().map_err(|error| explain(&error.to_string()))?;
        candidates.data.retain(|candidate| {
            // A candidate that the model rules out must not be the last one left: a chain that sees nothing else reads
            // beyond its numbers.
            TokenId::try_from(candidate.id().0).is_ok_and(|id| mask.is_allowed(id)) && candidate.logit().is_finite()
        });
        Ok(())
    }

    /// Takes a token that may follow and does not end the answer.
    ///
    /// # Errors
    /// As of [`allows`](Self::allows).
    pub(crate) fn accept(&mut self, token: LlamaToken) -> Result<(), String> {
        let id = TokenId::try_from(token.0).expect("the token was allowed");
        self.matcher.consume_token(id).map_err(|error| explain(&error.to_string()))
    }

    /// Whether nothing can follow any more.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

/// The first line of what the parser says; the others are about its inside.
fn explain(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    format!("the constraint cannot be followed any further: {first}")
}
