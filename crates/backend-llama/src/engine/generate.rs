//! One generation: the prompt in steps, then token by token.

use backend::{Event, Finish, FinishReason, TextAssembler, Token, Usage};
use llama_cpp_2::DecodeError;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use super::job::Job;
use super::session::{Parts, STEP_TOKENS, Session};
use crate::{sampling, validate};

/// A generation that ended without a [`Finish`].
#[derive(Debug)]
pub(super) enum Interrupted {
    /// Nobody wants the result. The context is as good as before.
    Cancelled,
    /// The request cannot be run. The context is as good as before.
    Failed(String),
    /// The context is in an unknown state.
    Broken(String),
}

impl Session<'_> {
    /// Runs a job. All its events except the last one are sent from here.
    pub(super) fn generate(&mut self, job: &Job) -> Result<Finish, Interrupted> {
        let Some(parts) = self.parts() else {
            return Err(Interrupted::Broken("the lane needs a reset".to_string()));
        };
        let n_vocab = u32::try_from(parts.model.n_vocab()).unwrap_or(0);
        validate::request(&job.request, n_vocab, parts.limits.context_len).map_err(Interrupted::Failed)?;
        let mut run = Run { prompt: prompt(job), position: 0, last: 0, parts, job };
        let outcome = run.prefill().and_then(|()| run.decode());
        // A GPU may still be at work on a step whose result nobody waited for.
        run.parts.context.synchronize();
        outcome
    }
}

fn prompt(job: &Job) -> Vec<LlamaToken> {
    let token = |&id: &u32| LlamaToken::new(i32::try_from(id).expect("the request was checked against the vocabulary"));
    job.request.prompt.tokens.iter().map(token).collect()
}

/// A generation under way.
struct Run<'run, 'session, 'model> {
    parts: Parts<'session, 'model>,
    job: &'run Job,
    prompt: Vec<LlamaToken>,
    /// Tokens in the cache, and so the position of the next one.
    position: i32,
    /// Where in the batch the logits of the latest token are.
    last: i32,
}

impl Run<'_, '_, '_> {
    /// Puts the prompt into an empty cache.
    fn prefill(&mut self) -> Result<(), Interrupted> {
        // The cells are marked free and not overwritten: attention masks them, and clearing gigabytes takes a while.
        let cleared = self.parts.context.clear_kv_cache_seq(None, None, None);
        if !cleared.is_ok_and(|complete| complete) {
            return Err(Interrupted::Broken("the cache could not be emptied".to_string()));
        }
        let prompt = std::mem::take(&mut self.prompt);
        for step in prompt.chunks(STEP_TOKENS as usize) {
            self.check_cancelled()?;
            let whole = self.processed() + step.len() == prompt.len();
            self.step(step, whole).map_err(|error| Interrupted::Broken(format!("prompt: {error}")))?;
            self.send(Event::Prompt { processed: count(self.processed()), total: count(prompt.len()) })?;
        }
        self.prompt = prompt;
        #[cfg(test)]
        self.trip()?;
        Ok(())
    }

    /// Generates until something ends the answer.
    fn decode(&mut self) -> Result<Finish, Interrupted> {
        let (context_len, n_vocab) = (self.parts.limits.context_len, self.parts.model.n_vocab());
        let stages = sampling::stages(&self.job.request.options.sampling, context_len);
        let mut sampler = sampling::chain(&stages, n_vocab, &self.prompt);
        let mut text = TextAssembler::new(self.job.request.options.stop.clone());
        let limit = self.job.request.max_tokens.min(context_len - count(self.prompt.len()));
        let mut piece = Vec::new();
        for n in 1..=limit {
            self.check_cancelled()?;
            let token = self.sample(&mut sampler)?;
            let vocab = self.parts.model.vocab();
            if vocab.is_eog(token) {
                return self.finish(text.finish(), FinishReason::Stop, n);
            }
            piece.clear();
            vocab.token_to_piece_into(token, &mut piece, false, None);
            let visible = text.push(&piece);
            if visible.stopped {
                return self.finish(visible.text, FinishReason::Stop, n);
            }
            if n == limit {
                return self.finish(visible.text + &text.finish(), FinishReason::Length, n);
            }
            self.send(Event::Token(Token::text(visible.text)))?;
            match self.step(&[token], true) {
                Ok(()) => {}
                // The limit keeps the cache from getting full, so only an architecture that needs more room ends here.
                Err(DecodeError::NoKvCacheSlot) => {
                    return Ok(self.finished(FinishReason::Length, n));
                }
                Err(error) => return Err(Interrupted::Broken(format!("token {n}: {error}"))),
            }
        }
        Ok(self.finished(FinishReason::Length, 0))
    }

    /// Decodes some tokens. `choose` says whether the next token will be chosen after the last of them.
    fn step(&mut self, tokens: &[LlamaToken], choose: bool) -> Result<(), DecodeError> {
        debug_assert!(tokens.len() <= STEP_TOKENS as usize, "a longer step ends the process");
        let Parts { context, batch, .. } = &mut self.parts;
        batch.clear();
        for (i, &token) in tokens.iter().enumerate() {
            let logits = choose && i + 1 == tokens.len();
            batch.add(token, self.position, &[0], logits).expect("the batch holds a whole step");
            self.position += 1;
        }
        self.last = batch.n_tokens() - 1;
        context.decode(batch)
    }

    /// Chooses the next token. The chain remembers it by itself.
    fn sample(&self, sampler: &mut LlamaSampler) -> Result<LlamaToken, Interrupted> {
        // Logits that are missing panic here, which is caught; in the sampler they would end the process.
        let logits = self.parts.context.get_logits_ith(self.last);
        let token = sampler.sample(self.parts.context, self.last);
        let logit = usize::try_from(token.0).ok().and_then(|id| logits.get(id));
        match logit {
            // Asking for the text of any other token ends the process.
            None => Err(Interrupted::Broken(format!("the sampler chose token {token} of {}", logits.len()))),
            // What is not a number stays in the cache, and could reach the next request through it.
            Some(logit) if logit.is_nan() => Err(Interrupted::Broken("the model computed no numbers".to_string())),
            Some(_) => Ok(token),
        }
    }

    /// Sends the last token.
    fn finish(&self, text: String, reason: FinishReason, n_tokens: u32) -> Result<Finish, Interrupted> {
        self.send(Event::Token(Token::text(text)))?;
        Ok(self.finished(reason, n_tokens))
    }

    fn finished(&self, reason: FinishReason, completion_tokens: u32) -> Finish {
        Finish { reason, usage: Usage { prompt_tokens: count(self.prompt.len()), cached_tokens: 0, completion_tokens } }
    }

    /// Waits for room in the channel. A reader that left is as good as a cancel.
    fn send(&self, event: Event) -> Result<(), Interrupted> {
        self.job.events.blocking_send(Ok(event)).map_err(|_| Interrupted::Cancelled)
    }

    fn check_cancelled(&self) -> Result<(), Interrupted> {
        if self.job.cancelled.is_set() { Err(Interrupted::Cancelled) } else { Ok(()) }
    }

    fn processed(&self) -> usize {
        usize::try_from(self.position).expect("positions count up from 0")
    }

    #[cfg(test)]
    fn trip(&self) -> Result<(), Interrupted> {
        use super::job::Fault;
        match &self.job.fault {
            None => Ok(()),
            Some(Fault::Panic) => panic!("planted"),
            Some(Fault::Decode) => Err(Interrupted::Broken("planted".to_string())),
            Some(Fault::Hold(released)) => {
                let _ = released.recv();
                Ok(())
            }
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("the context bounds every count")
}
