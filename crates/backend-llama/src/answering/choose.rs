//! The choice of a token: by the chain alone, or among those that a constraint allows.

use backend::TokenId;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;

use super::{Answering, Trouble};
use crate::constraint::Guard;

const NO_NUMBERS: &str = "the model computed no numbers";

impl Answering {
    /// Chooses a token. The chain and the guard remember it.
    pub(super) fn choose(&mut self, context: &LlamaContext<'_>, place: i32) -> Result<LlamaToken, Trouble> {
        let logits = context.get_logits_ith(place);
        // What must look like something is the answer, not the thoughts before it.
        let guard = if self.reader.is_thinking() { None } else { self.guard.take() };
        let token = match guard {
            None => self.choose_freely(context, place)?,
            Some(mut guard) => {
                let token = self.choose_guarded(&mut guard, context, place)?;
                self.guard = Some(guard);
                token
            }
        };
        let logit = usize::try_from(token.0).ok().and_then(|id| logits.get(id));
        match logit {
            // Asking for the text of any other token ends the process.
            None => Err(Trouble::Engine(format!("the sampler chose token {token} of {}", logits.len()))),
            // What is not a number stays in the cache, and could reach the next request through it.
            Some(logit) if logit.is_nan() => Err(Trouble::Engine(NO_NUMBERS.to_string())),
            Some(_) => Ok(token),
        }
    }

    fn choose_freely(&mut self, context: &LlamaContext<'_>, place: i32) -> Result<LlamaToken, Trouble> {
        let token = self.chain.sample(context, place);
        if self.is_forbidden(token) {
            return Err(Trouble::Request("logit_bias forbids every token that could follow".to_string()));
        }
        Ok(token)
    }

    /// Chooses as if there were no constraint, which is cheap and mostly right, and only then among what it allows.
    /// Both together choose as often as if the constraint had come first.
    fn choose_guarded(
        &mut self,
        guard: &mut Guard,
        context: &LlamaContext<'_>,
        place: i32,
    ) -> Result<LlamaToken, Trouble> {
        let mut candidates = context.token_data_array_ith(place);
        candidates.apply_sampler(&mut self.chain);
        let first = candidates.selected_token().filter(|&token| !self.is_forbidden(token));
        let token = match first {
            Some(token) if guard.allows(token, self.ends(token)).map_err(Trouble::Request)? => token,
            _ => self.choose_among_allowed(guard, context, place)?,
        };
        self.chain.accept(token);
        if !self.ends(token) {
            guard.accept(token).map_err(Trouble::Request)?;
        }
        Ok(token)
    }

    fn choose_among_allowed(
        &mut self,
        guard: &mut Guard,
        context: &LlamaContext<'_>,
        place: i32,
    ) -> Result<LlamaToken, Trouble> {
        let mut candidates = context.token_data_array_ith(place);
        if candidates.data.iter().any(|candidate| candidate.logit().is_nan()) {
            return Err(Trouble::Engine(NO_NUMBERS.to_string()));
        }
        guard.filter(&mut candidates).map_err(Trouble::Request)?;
        let end = candidates.data.iter().map(LlamaTokenData::id).find(|&token| self.ends(token));
        candidates.data.retain(|candidate| !self.is_forbidden(candidate.id()));
        if candidates.data.is_empty() {
            // Where only the end may follow it follows, though it be asked to be ignored.
            return end.ok_or_else(|| {
                Trouble::Request("no token of this model can follow as the constraint asks for".to_string())
            });
        }
        candidates.apply_sampler(&mut self.chain);
        candidates.selected_token().ok_or_else(|| Trouble::Engine("the sampler chose nothing".to_string()))
    }

    fn is_forbidden(&self, token: LlamaToken) -> bool {
        TokenId::try_from(token.0).is_ok_and(|id| self.forbidden.contains(&id))
    }

    fn ends(&self, token: LlamaToken) -> bool {
        self.answerer.model.vocab().is_eog(token)
    }
}
