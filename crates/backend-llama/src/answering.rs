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

use backend::{FinishReason, GenerateRequest, TextAssembler, Token, TokenId};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use crate::sampling::{self, Stage};
use crate::{logprobs, validate};

/// What answering needs of a model. None of it changes, so any number of threads may share it.
#[derive(Debug)]
pub(crate) struct Answerer {
    model: Arc<LlamaModel>,
    context_len: u32,
    /// The tokens that end an answer.
    ends: Vec<TokenId>,
}

/// An answer under way.
pub(crate) struct Answering {
    answerer: Arc<Answerer>,
    chain: LlamaSampler,
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
        Self { model, context_len, ends }
    }

    /// Begins the answer to a request, before its prompt is computed.
    ///
    /// # Errors
    /// [`Trouble::Request`] with what llama.cpp would not survive.
    pub(crate) fn begin(self: &Arc<Self>, request: &GenerateRequest) -> Result<Answering, Trouble> {
        let n_vocab = u32::try_from(self.model.n_vocab()).unwrap_or(0);
        validate::request(request, n_vocab, self.context_len).map_err(Trouble::Request)?;
        let prompt = tokens(request);
        let options = &request.options;
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
        let end = if visible.stopped {
            Some(FinishReason::Stop)
        } else if self.is_over() {
            visible.text += &self.rest();
            Some(FinishReason::Length)
        } else {
            None
        };
        Ok(Step { token, event: Token { text: visible.text, logprob, ..Token::default() }, end })
    }

    /// Chooses a token. The chain remembers it by itself.
    fn choose(&mut self, context: &LlamaContext<'_>, place: i32) -> Result<LlamaToken, Trouble> {
        let logits = context.get_logits_ith(place);
        let token = self.chain.sample(context, place);
        let logit = usize::try_from(token.0).ok().and_then(|id| logits.get(id));
        if TokenId::try_from(token.0).is_ok_and(|id| self.forbidden.contains(&id)) {
            return Err(Trouble::Request("logit_bias forbids every token that could follow".to_string()));
        }
        match logit {
            // Asking for the text of any other token ends the process.
            None => Err(Trouble::Engine(format!("the sampler chose token {token} of {}", logits.len()))),
            // What is not a number stays in the cache, and could reach the next request through it.
            Some(logit) if logit.is_nan() => Err(Trouble::Engine("the model computed no numbers".to_string())),
            Some(_) => Ok(token),
        }
    }

    /// Ends the text and takes what was held back.
    fn rest(&mut self) -> String {
        std::mem::replace(&mut self.text, TextAssembler::new(Vec::new())).finish()
    }
}
