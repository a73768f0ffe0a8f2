//! One answer, token by token: everything that happens between the logits and the event.
//!
//! ```text
//! logits ──▶ choose ──▶ end of text? ──▶ bytes ──▶ characters ──▶ thoughts, calls, text ──▶ stop strings ──▶ Token event
//! ```
//!
//! The loop around it decides which sequences are computed together; it asks an [`Answering`] for the next
//! step of its sequence and feeds the token back, or ends the sequence.
//!
//! Not here: prompts, batches, caches, channels.

mod choose;
mod numbering;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backend::{
    Chat, EncodedPrompt, FinishReason, GenerateOptions, GenerateRequest, Prompt, TextAssembler, Token, TokenId, Tool,
    ToolChoice,
};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;

use self::numbering::Numbering;
use crate::constraint::{Constraints, Form, Guard};
use crate::logprobs;
use crate::output::{self, Family, Meaning, Reader};
use crate::sampling::{self, Stage};
use crate::validate::{self, Bounds};

/// What answering needs of a model. None of it changes, so any number of threads may share it.
#[derive(Debug)]
pub(crate) struct Answerer {
    model: Arc<LlamaModel>,
    bounds: Bounds,
    /// The tokens that end an answer.
    ends: Vec<TokenId>,
    constraints: Constraints,
    family: Family,
    /// Control tokens whose texts mean something in an answer, and are hidden otherwise.
    shown: BTreeMap<LlamaToken, &'static str>,
}

/// An answer under way.
pub(crate) struct Answering {
    answerer: Arc<Answerer>,
    chain: LlamaSampler,
    /// The constraint, where there is one.
    guard: Option<Guard>,
    /// Whether the largest logit is chosen and nothing else of them is used, so that small differences change nothing.
    is_steady: bool,
    /// Tokens that must not be chosen. The chain leaves them out, unless nothing else is left.
    forbidden: BTreeSet<TokenId>,
    /// From bytes to characters.
    characters: TextAssembler,
    /// From characters to what they mean.
    reader: Reader,
    /// From what is said to what may be shown: the stop strings.
    said: TextAssembler,
    calls: Numbering,
    /// How many alternatives are told of each token, where that was asked for.
    logprobs: Option<u32>,
    /// Tokens that the answer may have.
    n_tokens_max: u32,
    /// Tokens that it has.
    n_tokens: u32,
    /// The bytes of the latest token; kept for its memory.
    piece: Vec<u8>,
    /// What the latest token was chosen from; kept for its memory.
    candidates: Vec<LlamaTokenData>,
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

/// Tokens of blanks that a template may write behind the mark that begins a thought.
const BLANKS_MAX: usize = 4;

/// Why there is no next token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The request cannot be answered. The context is as good as before.
    Request(String),
    /// The engine computed something that it must not. The context is in an unknown state.
    Engine(String),
}

impl Answerer {
    pub(crate) fn new(model: Arc<LlamaModel>, context_len: u32, n_adapters: usize, family: Family) -> Self {
        let n_vocab = u32::try_from(model.n_vocab()).unwrap_or(0);
        let bounds = Bounds { n_vocab, context_len, n_adapters };
        let vocab = model.vocab();
        let ends = vocab.tokens().filter(|&token| vocab.is_eog(token)).filter_map(|token| token.0.try_into().ok());
        let ends = ends.collect();
        let hidden = |mark: &'static str| match vocab.tokenize(mark.as_bytes(), false, true)[..] {
            [token] if vocab.token_to_piece(token, false, None).is_empty() => Some((token, mark)),
            _ => None,
        };
        let shown = family.marks().filter_map(hidden).collect();
        let constraints = Constraints::new(Arc::clone(&model));
        Self { model, bounds, ends, constraints, family, shown }
    }

    /// Whether answers may hold calls, and they are understood.
    pub(crate) fn understands_calls(&self) -> bool {
        self.family.calls.is_some()
    }

    /// Looks whether a request can be answered. May take milliseconds, where it has a constraint.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), String> {
        validate::request(prompt, options, self.bounds)?;
        self.guard(&prompt.prompt, options).map(drop)
    }

    fn guard(&self, prompt: &Prompt, options: &GenerateOptions) -> Result<Option<Guard>, String> {
        let form = match (&options.constraint, prompt) {
            (Some(constraint), _) => Some(Form::Asked(constraint.clone())),
            (None, Prompt::Chat(chat)) => self.forced(chat)?.map(Form::Own),
            (None, Prompt::Text(_) | Prompt::Pair(_)) => None,
        };
        form.map(|form| self.constraints.guard(&form)).transpose()
    }

    /// The grammar of an answer that must be a call.
    fn forced(&self, chat: &Chat) -> Result<Option<String>, String> {
        let tools: Vec<&Tool> = match &chat.tool_choice {
            ToolChoice::Auto | ToolChoice::None => return Ok(None),
            ToolChoice::Required => chat.tools.iter().collect(),
            ToolChoice::Named(name) => chat.tools.iter().filter(|tool| tool.name == *name).collect(),
        };
        if tools.is_empty() {
            return Err("tool_choice asks for a tool that is not among the tools".to_string());
        }
        let format = self.family.calls.ok_or("this model does not know how to call tools")?;
        // Who names a tool wants it called once.
        let single = chat.single_call || matches!(chat.tool_choice, ToolChoice::Named(_));
        let control = |text: &str| {
            let token = self.shown.iter().find(|(_, shown)| **shown == text).map(|(token, _)| token.0);
            token.and_then(|token| token.try_into().ok())
        };
        output::forced_grammar(format, &tools, single, &control).map(Some)
    }

    /// How an answer to this prompt is to be read.
    fn reader(&self, prompt: &Prompt, tokens: &[LlamaToken]) -> Reader {
        let Prompt::Chat(chat) = prompt else { return Reader::plain() };
        let tools = if chat.may_call() { chat.tools.as_slice() } else { &[] };
        Reader::new(self.family, tools, self.thinks_already(tokens))
    }

    /// Whether the prompt ends in the beginning of a thought.
    fn thinks_already(&self, tokens: &[LlamaToken]) -> bool {
        let Some(thoughts) = self.family.thoughts else { return false };
        let end = &tokens[tokens.len().saturating_sub(thoughts.begin.len() + BLANKS_MAX)..];
        let vocab = self.model.vocab();
        let end: Vec<u8> = end.iter().flat_map(|&token| vocab.token_to_piece(token, true, None)).collect();
        String::from_utf8_lossy(&end).trim_end().ends_with(thoughts.begin)
    }

    /// Begins the answer to a request, before its prompt is computed.
    ///
    /// # Errors
    /// [`Trouble::Request`], as [`check`](Self::check) refuses it.
    pub(crate) fn begin(self: &Arc<Self>, request: &GenerateRequest) -> Result<Answering, Trouble> {
        let options = &request.options;
        validate::request(&request.prompt, options, self.bounds).map_err(Trouble::Request)?;
        let guard = self.guard(&request.prompt.prompt, options).map_err(Trouble::Request)?;
        let mut prompt = tokens(request);
        let n_prompt = prompt.len();
        // The samplers know words only.
        prompt.retain(|&token| !is_picture(token));
        let left_out: &[TokenId] = if options.ignore_end { &self.ends } else { &[] };
        let stages = sampling::stages(&options.sampling, self.bounds.context_len, left_out);
        let forbidden = stages.iter().find_map(|stage| match stage {
            Stage::Bias(bias) => Some(bias.iter().filter(|(_, bias)| bias.is_infinite()).map(|&(token, _)| token)),
            _ => None,
        });
        let room = self.bounds.context_len - u32::try_from(n_prompt).expect("the prompt is shorter than the context");
        // Repeating is punished by a factor, which makes a difference larger; and probabilities are told to the last bit.
        let is_steady = options.sampling.is_greedy()
            && options.sampling.repeat_penalty == 1.0
            && guard.is_none()
            && options.logprobs.is_none();
        Ok(Answering {
            answerer: Arc::clone(self),
            is_steady,
            chain: sampling::chain(&stages, &self.model, &prompt),
            guard,
            forbidden: forbidden.into_iter().flatten().collect(),
            reader: self.reader(&request.prompt.prompt, &prompt),
            calls: Numbering::new(request),
            characters: TextAssembler::new(Vec::new()),
            said: TextAssembler::new(options.stop.clone()),
            logprobs: options.logprobs,
            n_tokens_max: request.max_tokens.min(room),
            n_tokens: 0,
            piece: Vec::new(),
            candidates: Vec::new(),
        })
    }
}

/// The tokens of a prompt, with [pictures](is_picture). It has been checked against the vocabulary.
pub(crate) fn tokens(request: &GenerateRequest) -> Vec<LlamaToken> {
    request.prompt.tokens.iter().map(|id| LlamaToken::new(id.cast_signed())).collect()
}

/// Whether this is no token but a part of a picture: one of [`backend::IMAGE_TOKENS`], which are negative to llama.cpp.
pub(crate) fn is_picture(token: LlamaToken) -> bool {
    token.0 < 0
}

/// Which of the prompt's pictures it is a part of.
pub(crate) fn picture_number(token: LlamaToken) -> Option<usize> {
    is_picture(token).then(|| (token.0.cast_unsigned() - backend::IMAGE_TOKENS) as usize)
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

    /// Tokens that the answer may still have.
    pub(crate) fn n_left(&self) -> usize {
        self.n_tokens_max.saturating_sub(self.n_tokens) as usize
    }

    /// Whether [`is_ahead`](Self::is_ahead) can tell that a choice is safe from small differences of the logits.
    pub(crate) fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// Chooses the next token from the logits after the latest one, and says what it adds to the answer.
    ///
    /// # Errors
    /// See [`Trouble`]. There is no further step after an error.
    pub(crate) fn next(&mut self, logits: &[f32]) -> Result<Step, Trouble> {
        debug_assert!(!self.is_over(), "no token is left to choose");
        let token = self.choose(logits)?;
        self.n_tokens += 1;
        let vocab = self.answerer.model.vocab();
        let logprob = self.logprobs.map(|n_top| logprobs::tell(&vocab, logits, token, n_top));
        let mut event = Token { logprob, ..Token::default() };
        if vocab.is_eog(token) {
            self.conclude(&mut event);
            return Ok(Step { token, event, end: Some(self.ended()) });
        }
        self.piece.clear();
        match self.answerer.shown.get(&token) {
            Some(text) => self.piece.extend_from_slice(text.as_bytes()),
            None => vocab.token_to_piece_into(token, &mut self.piece, false, None),
        }
        let characters = self.characters.push(&self.piece).text;
        let meaning = self.reader.push(&characters);
        let stopped = self.show(meaning, &mut event);
        let complete = self.guard.as_ref().is_some_and(Guard::is_complete);
        let called = self.calls.single && self.reader.n_calls() > 0;
        let end = if stopped {
            Some(FinishReason::Stop)
        } else if called {
            Some(FinishReason::ToolCalls)
        } else if complete {
            self.conclude(&mut event);
            Some(self.ended())
        } else if self.is_over() {
            self.conclude(&mut event);
            Some(FinishReason::Length)
        } else {
            None
        };
        Ok(Step { token, event, end })
    }

    /// How an answer ends that the model ended.
    fn ended(&self) -> FinishReason {
        if self.reader.n_calls() > 0 { FinishReason::ToolCalls } else { FinishReason::Stop }
    }

    /// Puts what became certain into an event. Returns whether a stop string is complete.
    fn show(&mut self, meaning: Meaning, event: &mut Token) -> bool {
        let visible = self.said.push(meaning.text.as_bytes());
        event.text.push_str(&visible.text);
        event.reasoning.push_str(&meaning.reasoning);
        event.calls.extend(meaning.calls.into_iter().map(|part| self.calls.name(part)));
        visible.stopped
    }

    /// Ends the answer, and puts what was held back into its last event.
    fn conclude(&mut self, event: &mut Token) {
        let rest = |text: &mut TextAssembler| std::mem::replace(text, TextAssembler::new(Vec::new())).finish();
        let characters = rest(&mut self.characters);
        let mut stopped = false;
        for meaning in [self.reader.push(&characters), self.reader.finish()] {
            stopped = stopped || self.show(meaning, event);
        }
        if !stopped {
            event.text.push_str(&rest(&mut self.said));
        }
    }
}
