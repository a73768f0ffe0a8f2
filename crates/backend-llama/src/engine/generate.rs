//! One generation: the prompt in steps, then token by token.

use backend::{Event, Finish, FinishReason, Usage};
use llama_cpp_2::DecodeError;
use llama_cpp_2::token::LlamaToken;

use super::job::Job;
use super::session::{Parts, STEP_TOKENS, Session};
use crate::answering::{self, Answering, Trouble};

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

impl From<Trouble> for Interrupted {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Request(reason) => Self::Failed(reason),
            Trouble::Engine(reason) => Self::Broken(reason),
        }
    }
}

impl Session<'_> {
    /// Runs a job. All its events except the last one are sent from here.
    pub(super) fn generate(&mut self, job: &Job) -> Result<Finish, Interrupted> {
        let Some(parts) = self.parts() else {
            return Err(Interrupted::Broken("the lane needs a reset".to_string()));
        };
        let answering = parts.answerer.begin(&job.request)?;
        let mut run = Run { prompt: answering::tokens(&job.request), position: 0, last: 0, parts, job, answering };
        let outcome = run.prefill().and_then(|()| run.decode());
        // A GPU may still be at work on a step whose result nobody waited for.
        run.parts.context.synchronize();
        outcome
    }
}

/// A generation under way.
struct Run<'run, 'session, 'model> {
    parts: Parts<'session, 'model>,
    job: &'run Job,
    prompt: Vec<LlamaToken>,
    answering: Answering,
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
        while !self.answering.is_over() {
            self.check_cancelled()?;
            let step = self.answering.next(self.parts.context, self.last)?;
            self.send(Event::Token(step.event))?;
            if let Some(reason) = step.end {
                return Ok(self.finished(reason));
            }
            match self.step(&[step.token], true) {
                Ok(()) => {}
                // The limit keeps the cache from getting full, so only an architecture that needs more room ends here.
                Err(DecodeError::NoKvCacheSlot) => break,
                Err(error) => {
                    return Err(Interrupted::Broken(format!("token {}: {error}", self.answering.n_tokens())));
                }
            }
        }
        Ok(self.finished(FinishReason::Length))
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

    fn finished(&self, reason: FinishReason) -> Finish {
        let (prompt_tokens, completion_tokens) = (count(self.prompt.len()), self.answering.n_tokens());
        Finish { reason, usage: Usage { prompt_tokens, cached_tokens: 0, completion_tokens } }
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
