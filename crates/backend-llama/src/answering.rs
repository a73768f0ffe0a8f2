//! One answer, token by token: everything that happens between the logits and the event.
//!
//! ```text
//! logits ──▶ choose ──▶ end of text? ──▶ bytes ──▶ characters, stop strings ──▶ Token event
//! ```
//!
//! The loop around it decides which sequences are computed together; it asks an [`Answering`] for the next
//! step of its sequence and feeds the token back, or ends the sequence.
//!
//! Not here: prompts, batches, caches, channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use backend::{EncodedPrompt, FinishReason, GenerateOptions, GenerateRequest, TextAssembler, Token, TokenId};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;

use crate::constraint::{Constraints, Form, Guard};
use crate::sampling::{self, Stage};
use crate::{logprobs, validate};

/// What answering needs of a model. None of it changes, so any number of threads may share it.
#[derive(Debug)]
pub(crate) struct Answerer {
    model: Arc<LlamaModel>,
    context_len: u32,
    /// The tokens that end an answer.
    ends: Vec<TokenId>,
    constraints: Constraints,
}

/// An answer under way.
pub(crate) struct Answering {
    answerer: Arc<Answerer>,
    chain: LlamaSampler,
    /// The constraint, where there is one.
    guard: Option<Guard>,
    /// Tokens that must not be chosen. The chain leaves them out, unless nothing else is left.
    forbidden: BTreeSet<TokenId>,
    text: TextAssembler,
    /// How many alternatives are told of each token, where that was asked for.
    logprobs: Option<u32>,
    /// Tokens that the answer may have.
    n_tokens_max: u32,
    /// Tokens that it has.
    n_tokens: u32,
    /// The bytes of the latest token; kept for its memory.
    piece: Vec<u8>,
}

/// One more token.
#[derive(Debug)]
pub(crate) struct Step {
    /// The token, to be decoded where the answer goes on.
    pub(crate) token: LlamaToken,
    /// What it added, to be sent in any case.
    pub(crate) event: Token,
    /// Set where the answer ends with this token.
    pub(crate) end: Option<FinishReason>,
}

const NO_NUMBERS: &str = "the model computed no numbers";

/// Why there is no next token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The request cannot be answered. The context is as good as before.
    Request(String),
    /// The engine computed something that it must not. The context is in an unknown state.
    Engine(String),
}

impl Answerer {
    pub(crate) fn new(model: Arc<LlamaModel>, context_len: u32) -> Self {
        let vocab = model.vocab();
        let ends = vocab.tokens().filter(|&token| vocab.is_eog(token)).filter_map(|token| token.0.try_into().ok());
        let ends = ends.collect();
        let constraints = Constraints::new(Arc::clone(&model));
        Self { model, context_len, ends, constraints }
    }

    /// Looks whether a request can be answered. May take milliseconds, where it has a constraint.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), String> {
        let n_vocab = u32::try_from(self.model.n_vocab()).unwrap_or(0);
        validate::request(prompt, options, n_vocab, self.context_len)?;
        self.guard(options).map(drop)
    }

    fn guard(&self, options: &GenerateOptions) -> Result<Option<Guard>, String> {
        let form = options.constraint.clone().map(Form::Asked);
        form.map(|form| self.constraints.guard(&form)).transpose()
    }

    /// Begins the answer to a request, before its prompt is computed.
    ///
    /// # Errors
    /// [`Trouble::Request`], as [`check`](Self::check) refuses it.
    pub(crate) fn begin(self: &Arc<Self>, request: &GenerateRequest) -> Result<Answering, Trouble> {
        let n_vocab = u32::try_from(self.model.n_vocab()).unwrap_or(0);
        let options = &request.options;
        validate::request(&request.prompt, options, n_vocab, self.context_len).map_err(Trouble::Request)?;
        let guard = self.guard(options).map_err(Trouble::Request)?;
        let prompt = tokens(request);
        let left_out: &[TokenId] = if options.ignore_end { &self.ends } else { &[] };
        let stages = sampling::stages(&options.sampling, self.context_len, left_out);
        let forbidden = stages.iter().find_map(|stage| match stage {
            Stage::Bias(bias) => Some(bias.iter().filter(|(_, bias)| bias.is_infinite()).map(|&(token, _)| token)),
            _ => None,
        });
        let room = self.context_len - u32::try_from(prompt.len()).expect("the prompt is shorter than the context");
        Ok(Answering {
            answerer: Arc::clone(self),
            chain: sampling::chain(&stages, &self.model, &prompt),
            guard,
            forbidden: forbidden.into_iter().flatten().collect(),
            text: TextAssembler::new(options.stop.clone()),
            logprobs: options.logprobs,
            n_tokens_max: request.max_tokens.min(room),
            n_tokens: 0,
            piece: Vec::new(),
        })
    }
}

/// The tokens of a prompt. It has been checked against the vocabulary.
pub(crate) fn tokens(request: &GenerateRequest) -> Vec<LlamaToken> {
    let token = |&id: &u32| LlamaToken::new(i32::try_from(id).expect("the request was checked against the vocabulary"));
    request.prompt.tokens.iter().map(token).collect()
}

impl Answering {
    /// Whether the answer may have no token at all, so that there is no first step either.
    pub(crate) fn is_over(&self) -> bool {
        self.n_tokens >= self.n_tokens_max
    }

    /// Tokens chosen so far.
    pub(crate) fn n_tokens(&self) -> u32 {
        self.n_tokens
    }

    /// Chooses the next token from the logits at a place of the latest batch, and says what it adds to the answer.
    ///
    /// # Errors
    /// See [`Trouble`]. There is no further step after an error.
    ///
    /// # Panics
    /// Where the batch asked for no logits at that place. In the sampler that would end the process.
    pub(crate) fn next(&mut self, context: &LlamaContext<'_>, place: i32) -> Result<Step, Trouble> {
        debug_assert!(!self.is_over(), "no token is left to choose");
        let token = self.choose(context, place)?;
        self.n_tokens += 1;
        let vocab = self.answerer.model.vocab();
        let logprob = self.logprobs.map(|n_top| logprobs::tell(&vocab, context.get_logits_ith(place), token, n_top));
        if vocab.is_eog(token) {
            let event = Token { text: self.rest(), logprob, ..Token::default() };
            return Ok(Step { token, event, end: Some(FinishReason::Stop) });
        }
        self.piece.clear();
        vocab.token_to_piece_into(token, &mut self.piece, false, None);
        let mut visible = self.text.push(&self.piece);
        let complete = self.guard.as_ref().is_some_and(Guard::is_complete);
        let end = if visible.stopped {
            Some(FinishReason::Stop)
        } else if complete {
            visible.text += &self.rest();
            Some(FinishReason::Stop)
        } else if self.is_over() {
            visible.text += &self.rest();
            Some(FinishReason::Length)
        } else {
            None
        };
        Ok(Step { token, event: Token { text: visible.text, logprob, ..Token::default() }, end })
    }

    /// Chooses a token. The chain and the guard remember it.
    fn choose(&mut self, context: &LlamaContext<'_>, place: i32) -> Result<LlamaToken, Trouble> {
        let logits = context.get_logits_ith(place);
        let token = match self.guard.take() {
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

    /// Ends the text and takes what was held back.
    fn rest(&mut self) -> String {
        std::mem::replace(&mut self.text, TextAssembler::new(Vec::new())).finish()
    }
}
