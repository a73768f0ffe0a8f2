//! The choice of a token: by the chain alone, or among those that a constraint allows.

use backend::TokenId;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::{Answering, Trouble};
use crate::constraint::Guard;

const NO_NUMBERS: &str = "the model computed no numbers";
const NO_CHOICE: &str = "the sampler chose nothing";

impl Answering {
    /// Chooses a token. The chain and the guard remember it.
    pub(super) fn choose(&mut self, logits: &[f32]) -> Result<LlamaToken, Trouble> {
        // What must look like something is the answer, not the thoughts before it.
        let guard = if self.reader.is_thinking() { None } else { self.guard.take() };
        let token = match guard {
            None => self.choose_freely(logits)?,
            Some(mut guard) => {
                let token = self.choose_guarded(&mut guard, logits)?;
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

    /// Whether the token that would be chosen is ahead of every other by more than `by`, for a
    /// [steady](Self::is_steady) choice. Nothing is chosen, or remembered.
    pub(crate) fn is_ahead(&mut self, logits: &[f32], by: f32) -> bool {
        debug_assert!(self.is_steady(), "asking would draw a number");
        let candidates = self.propose(logits);
        let chosen = candidates.selected;
        self.candidates = candidates.data;
        let Some(chosen) = chosen else { return false };
        let others = self.candidates.iter().enumerate().filter(|(i, _)| *i != chosen);
        let second = others.map(|(_, other)| other.logit()).fold(f32::NEG_INFINITY, f32::max);
        // What is not a number is ahead of nothing.
        self.candidates[chosen].logit() - second > by
    }

    /// What can be chosen, with what the chain chose of it.
    fn propose(&mut self, logits: &[f32]) -> LlamaTokenDataArray {
        let mut candidates = self.candidates(logits);
        candidates.apply_sampler(&mut self.chain);
        candidates
    }

    /// Every token with its logit, in the memory of the latest choice.
    fn candidates(&mut self, logits: &[f32]) -> LlamaTokenDataArray {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        candidates.extend((0..).zip(logits).map(|(id, &logit)| LlamaTokenData::new(LlamaToken::new(id), logit, 0.0)));
        LlamaTokenDataArray::new(candidates, false)
    }

    fn choose_freely(&mut self, logits: &[f32]) -> Result<LlamaToken, Trouble> {
        let candidates = self.propose(logits);
        let chosen = candidates.selected_token();
        self.candidates = candidates.data;
        let token = chosen.ok_or_else(|| Trouble::Engine(NO_CHOICE.to_string()))?;
        self.chain.accept(token);
        if self.is_forbidden(token) {
            return Err(Trouble::Request("logit_bias forbids every token that could follow".to_string()));
        }
        Ok(token)
    }

    /// Chooses as if there were no constraint, which is cheap and mostly right, and only then among what it allows.
    /// Both together choose as often as if the constraint had come first.
    fn choose_guarded(&mut self, guard: &mut Guard, logits: &[f32]) -> Result<LlamaToken, Trouble> {
        let candidates = self.propose(logits);
        let first = candidates.selected_token().filter(|&token| !self.is_forbidden(token));
        self.candidates = candidates.data;
        let token = match first {
            Some(token) if guard.allows(token, self.ends(token)).map_err(Trouble::Request)? => token,
            _ => self.choose_among_allowed(guard, logits)?,
        };
        self.chain.accept(token);
        if !self.ends(token) {
            guard.accept(token).map_err(Trouble::Request)?;
        }
        Ok(token)
    }

    fn choose_among_allowed(&mut self, guard: &mut Guard, logits: &[f32]) -> Result<LlamaToken, Trouble> {
        if logits.iter().any(|logit| logit.is_nan()) {
            return Err(Trouble::Engine(NO_NUMBERS.to_string()));
        }
        let mut candidates = self.candidates(logits);
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
        candidates.selected_token().ok_or_else(|| Trouble::Engine(NO_CHOICE.to_string()))
    }

    fn is_forbidden(&self, token: LlamaToken) -> bool {
        TokenId::try_from(token.0).is_ok_and(|id| self.forbidden.contains(&id))
    }

    fn ends(&self, token: LlamaToken) -> bool {
        self.answerer.model.vocab().is_eog(token)
    }
}
