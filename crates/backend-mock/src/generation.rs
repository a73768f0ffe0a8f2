//! One generation: the engine at work, apart from the stream that hears of it.

use std::time::Duration;

use backend::{Event, Finish, FinishReason, GenerateError, Token, Usage};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{self, Instant};

use crate::answer::Answer;
use crate::engine::Entered;
use crate::journal::Leave;
use crate::{Fault, ModelScript, Rebuild};

/// Events that the engine is ahead of its reader at most; then it waits.
pub(crate) const EVENTS_AHEAD_MAX: usize = 32;

/// Steps without any waiting after which other tasks get their turn.
const STEPS_PER_TURN: u32 = 8;

/// What the engine says to the stream.
pub(crate) enum Signal {
    /// Hand it on.
    Item(Result<Event, GenerateError>),
    /// Panic, as scripted.
    Panic,
}

/// A generation that has entered its engine.
pub(crate) struct Generation {
    pub(crate) entered: Entered,
    /// What is to be generated, or why that is impossible.
    pub(crate) answer: Result<Answer, String>,
    pub(crate) prompt_tokens: u32,
    pub(crate) fault: Option<Fault>,
    pub(crate) pace: Pace,
    pub(crate) signals: mpsc::Sender<Signal>,
    /// Tokens generated so far.
    pub(crate) tokens: u32,
}

/// How fast a script works.
pub(crate) struct Pace {
    chunk: u32,
    per_prompt_token: Duration,
    per_token: Duration,
    stop_delay: Duration,
    /// When the last step was due.
    due: Instant,
    steps: u32,
}

/// Why the work ends without a finish.
enum Cut {
    /// The stream was dropped.
    Cancelled,
    Failed(String),
    Broken(String),
    Panicked,
}

impl Generation {
    /// Works until the answer is complete, or until the stream is gone and the stop delay has passed.
    pub(crate) async fn run(mut self) {
        let how = match self.work().await {
            Ok(reason) => Leave::Finished(reason),
            Err(Cut::Failed(reason)) => self.fail(GenerateError::Failed { reason }, Leave::Failed).await,
            Err(Cut::Broken(reason)) => self.fail(GenerateError::LaneBroken { reason }, Leave::Broken).await,
            Err(Cut::Panicked) => {
                // Nobody hears the panic of a stream that is gone.
                let _ = self.signals.send(Signal::Panic).await;
                Leave::Panicked
            }
            Err(Cut::Cancelled) => {
                self.go_on().await;
                Leave::Cancelled
            }
        };
        self.entered.leave(self.tokens, how);
    }

    async fn work(&mut self) -> Result<FinishReason, Cut> {
        if self.entered.is_broken() {
            return Err(Cut::Broken("the lane was not reset after it broke".into()));
        }
        if self.fault == Some(Fault::FailBeforeFirstToken) {
            return Err(Cut::Failed("the script says so".into()));
        }
        if let Err(reason) = &self.answer {
            return Err(Cut::Failed(reason.clone()));
        }
        self.prefill().await?;
        let reason = self.decode().await?;
        let usage = Usage { prompt_tokens: self.prompt_tokens, cached_tokens: 0, completion_tokens: self.tokens };
        self.send(Event::Finish(Finish { reason, usage })).await?;
        Ok(reason)
    }

    async fn prefill(&mut self) -> Result<(), Cut> {
        let total = self.prompt_tokens;
        let mut processed = 0;
        while processed < total {
            let chunk = self.pace.chunk.min(total - processed);
            self.pace.step(self.pace.per_prompt_token * chunk, &self.signals).await?;
            processed += chunk;
            self.send(Event::Prompt { processed, total }).await?;
        }
        Ok(())
    }

    async fn decode(&mut self) -> Result<FinishReason, Cut> {
        loop {
            self.go_wrong().await?;
            let Some(token) = self.answer.as_mut().ok().and_then(Answer::next) else {
                return Ok(FinishReason::Length);
            };
            self.pace.step(self.pace.per_token, &self.signals).await?;
            self.tokens += 1;
            if self.tokens == 1 {
                self.entered.note_first_token();
            }
            self.send(Event::Token(Token::text(token.text))).await?;
            if let Some(reason) = token.ended {
                return Ok(reason);
            }
        }
    }

    /// Does what the script says for after this many tokens.
    async fn go_wrong(&mut self) -> Result<(), Cut> {
        match self.fault {
            Some(Fault::FailAfter { tokens }) if tokens == self.tokens => Err(Cut::Failed("the script says so".into())),
            Some(Fault::PanicAfter { tokens }) if tokens == self.tokens => {
                self.entered.break_engine(Rebuild::AfterFailures(0));
                Err(Cut::Panicked)
            }
            Some(Fault::BreakLaneAfter { tokens, rebuild }) if tokens == self.tokens => {
                self.entered.break_engine(rebuild);
                Err(Cut::Broken("the script says so".into()))
            }
            Some(Fault::HangAfter { tokens }) if tokens == self.tokens => {
                self.signals.closed().await;
                Err(Cut::Cancelled)
            }
            _ => Ok(()),
        }
    }

    async fn fail(&mut self, error: GenerateError, how: Leave) -> Leave {
        // A stream that is gone needs no reason.
        let _ = self.signals.send(Signal::Item(Err(error))).await;
        how
    }

    /// What an engine does between being asked to stop and stopping.
    async fn go_on(&mut self) {
        self.pace.due = Instant::now();
        if let Some(Fault::IgnoreCancelFor { tokens }) = self.fault {
            for _ in 0..tokens {
                self.pace.wait(self.pace.per_token).await;
                self.tokens += 1;
            }
        }
        self.pace.wait(self.pace.stop_delay).await;
    }

    async fn send(&mut self, event: Event) -> Result<(), Cut> {
        match self.signals.try_send(Signal::Item(Ok(event))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Cut::Cancelled),
            Err(TrySendError::Full(signal)) => {
                let sent = self.signals.send(signal).await;
                // The reader was slow. What it cost is not made up for by working faster.
                self.pace.due = Instant::now();
                sent.map_err(|_| Cut::Cancelled)
            }
        }
    }
}

impl Pace {
    pub(crate) fn new(script: &ModelScript) -> Self {
        Self {
            chunk: script.prefill_chunk.max(1),
            per_prompt_token: script.prefill_per_token,
            per_token: script.time_per_token,
            stop_delay: script.stop_delay,
            due: Instant::now(),
            steps: 0,
        }
    }

    /// Takes the time of one step, unless the stream is or goes away.
    async fn step(&mut self, time: Duration, signals: &mpsc::Sender<Signal>) -> Result<(), Cut> {
        tokio::select! {
            biased;
            () = signals.closed() => Err(Cut::Cancelled),
            () = self.wait(time) => Ok(()),
        }
    }

    async fn wait(&mut self, time: Duration) {
        if time.is_zero() {
            self.steps += 1;
            if self.steps.is_multiple_of(STEPS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        } else {
            // Counted from when the last step was due, not from when it was done: timers are as coarse as a
            // millisecond, and the error of each step would add up.
            self.due += time;
            time::sleep_until(self.due).await;
        }
    }
}
