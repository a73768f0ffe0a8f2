//! One generation under way on a lane.

mod drafting;

use std::collections::VecDeque;

use backend::{Adapter, Event, Finish, FinishReason, GenerateError, Image, Usage};
use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub(super) use self::drafting::Choice;
use super::draft::Drafter;
use super::job::Job;
use super::schedule::Kind;
use crate::answering::{self, Answering, Step, Trouble, is_picture, picture_number};

/// A generation under way.
pub(super) struct Task {
    job: Box<Job>,
    answering: Answering,
    /// The prompt, and the answer as far as it is to be computed. Those that the cache lacks come next.
    pub(super) tokens: Vec<LlamaToken>,
    n_prompt: usize,
    /// Tokens of the prompt that the cache had.
    n_cached: usize,
    /// Tokens of the prompt that were reported.
    n_told: usize,
    /// What guesses its next tokens, where any are to be.
    drafter: Option<Drafter>,
    /// Events that found no room; those of one step at most, since nothing is computed while there are any.
    unsent: VecDeque<Result<Event, GenerateError>>,
    has_ended: bool,
    /// Dropped with the task, which tells the lane that the engine is done with it.
    _working: oneshot::Sender<()>,
}

impl Task {
    /// A task that found `n_cached` tokens of its prompt in the cache.
    pub(super) fn new(job: Box<Job>, working: oneshot::Sender<()>, answering: Answering, n_cached: usize) -> Self {
        let tokens = answering::tokens(&job.request);
        let n_prompt = tokens.len();
        let unsent = VecDeque::new();
        let mut task = Self {
            job,
            answering,
            tokens,
            n_prompt,
            n_cached,
            n_told: 0,
            drafter: None,
            unsent,
            has_ended: false,
            _working: working,
        };
        task.tell_progress(n_cached);
        task
    }

    /// Whether nobody wants the rest.
    pub(super) fn is_cancelled(&self) -> bool {
        self.job.cancelled.is_set() || self.job.events.is_closed()
    }

    /// Whether the end was told, and taken.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended && self.unsent.is_empty()
    }

    /// Whether it waits for its reader.
    pub(super) fn is_held_up(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The adapter that it is computed with.
    pub(super) fn adapter(&self) -> Option<Adapter> {
        self.job.request.options.applied_adapter()
    }

    /// The way to its reader.
    pub(super) fn events(&self) -> &mpsc::Sender<Result<Event, GenerateError>> {
        &self.job.events
    }

    /// Whether what is to be computed is the next token of the answer, and not the prompt.
    pub(super) fn is_answer(&self, n_computed: usize) -> bool {
        n_computed >= self.n_prompt && n_computed + 1 == self.tokens.len()
    }

    /// How many tokens can be computed next in one go, and what they are. `None` where none wait.
    pub(super) fn next(&self, n_computed: usize) -> Option<(usize, Kind)> {
        let rest = &self.tokens[n_computed..];
        let first = *rest.first()?;
        if is_picture(first) {
            return Some((rest.iter().take_while(|&&token| token == first).count(), Kind::Picture));
        }
        // Where there are drafts, an answer that is computed again is computed as it is without them.
        if self.drafter.is_some() && n_computed >= self.n_prompt {
            return Some((1, Kind::Answer));
        }
        let kind = if self.is_answer(n_computed) { Kind::Answer } else { Kind::Prompt };
        Some((rest.iter().take_while(|&&token| !is_picture(token)).count(), kind))
    }

    /// The picture that comes next, if one does.
    pub(super) fn picture(&self, n_computed: usize) -> Option<&Image> {
        let number = picture_number(*self.tokens.get(n_computed)?)?;
        self.job.request.prompt.prompt.images().nth(number)
    }

    /// Reports how much of the prompt is computed, where that is news.
    pub(super) fn tell_progress(&mut self, n_computed: usize) {
        let processed = n_computed.min(self.n_prompt);
        if processed > self.n_told {
            self.n_told = processed;
            self.tell(Ok(Event::Prompt { processed: count(processed), total: count(self.n_prompt) }));
        }
    }

    /// Tokens of the prompt.
    pub(super) fn n_prompt(&self) -> usize {
        self.n_prompt
    }

    /// Goes on after what was computed for its latest token: chooses the next one, or ends.
    ///
    /// # Errors
    /// As [`Answering::next`].
    pub(super) fn choose(&mut self, logits: &[f32]) -> Result<(), Trouble> {
        self.choose_guessed(logits, None)
    }

    /// The same where a draft has a guess at what is chosen.
    ///
    /// # Errors
    /// As [`Answering::next`].
    fn choose_guessed(&mut self, logits: &[f32], guess: Option<LlamaToken>) -> Result<(), Trouble> {
        #[cfg(test)]
        self.trip(guess).map_err(Trouble::Engine)?;
        if self.answering.is_over() {
            self.finish(FinishReason::Length);
            return Ok(());
        }
        #[cfg(test)]
        self.overhear(logits);
        let step = self.answering.next(logits)?;
        // Counted before the token is told: the one that ends the answer is told with its usage.
        if guess == Some(step.token) {
            self.accepted();
        }
        self.go_on(step);
        Ok(())
    }

    /// Takes the next token: reports it, and has it computed or ends.
    fn go_on(&mut self, step: Step) {
        self.tell(Ok(Event::Token(step.event)));
        match step.end {
            Some(reason) => self.finish(reason),
            None => self.tokens.push(step.token),
        }
    }

    /// Ends it well.
    pub(super) fn finish(&mut self, reason: FinishReason) {
        let usage = Usage {
            prompt_tokens: count(self.n_prompt),
            cached_tokens: count(self.n_cached),
            completion_tokens: self.answering.n_tokens(),
            drafted_tokens: self.drafter.as_ref().map_or(0, |drafter| count(drafter.n_drafted)),
            accepted_tokens: self.drafter.as_ref().map_or(0, |drafter| count(drafter.n_accepted)),
        };
        self.end(Ok(Event::Finish(Finish { reason, usage })));
    }

    /// Ends it with an error.
    pub(super) fn fail(&mut self, error: GenerateError) {
        self.end(Err(error));
    }

    fn end(&mut self, last: Result<Event, GenerateError>) {
        debug_assert!(!self.has_ended, "a generation ends once");
        self.has_ended = true;
        self.tell(last);
    }

    fn tell(&mut self, event: Result<Event, GenerateError>) {
        self.unsent.push_back(event);
        self.send();
    }

    /// Sends what there is room for. A reader that left is noticed by [`is_cancelled`](Self::is_cancelled).
    pub(super) fn send(&mut self) {
        while let Some(event) = self.unsent.pop_front() {
            match self.job.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.unsent.push_front(event),
                Err(TrySendError::Closed(_)) => return self.unsent.clear(),
            }
        }
    }

    /// What a test planted, once the prompt is computed.
    #[cfg(test)]
    fn trip(&mut self, guess: Option<LlamaToken>) -> Result<(), String> {
        use super::job::Fault;
        let is_in_draft = guess.is_some() && self.drafter.as_ref().is_some_and(|drafter| drafter.n_accepted >= 2);
        let fault = match self.job.fault.take() {
            Some(Fault::InDraft(reached, fault)) if is_in_draft => {
                let _nobody_asks = reached.send(());
                Some(*fault)
            }
            fault => fault,
        };
        match fault {
            Some(Fault::InDraft(..)) => {
                self.job.fault = fault;
                Ok(())
            }
            None | Some(Fault::Step) => Ok(()),
            Some(Fault::Panic) => panic!("planted"),
            Some(Fault::Decode) => Err("planted".to_string()),
            Some(Fault::Hold(released)) => {
                let _ = released.recv();
                Ok(())
            }
        }
    }

    /// Whether a test wants the steps with it to fail.
    #[cfg(test)]
    pub(super) fn spoils_steps(&self) -> bool {
        matches!(self.job.fault, Some(super::job::Fault::Step))
    }

    /// Tells a test what the next token is chosen from.
    #[cfg(test)]
    fn overhear(&self, logits: &[f32]) {
        if let Some(listener) = &self.job.listener {
            let _ = listener.send(logits.to_vec());
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("the context bounds every count")
}
