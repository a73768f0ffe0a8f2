//! One generation: the engine at work, apart from the stream that hears of it.

use std::time::Duration;

use backend::{Event, Finish, FinishReason, GenerateError, Usage};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{self, Instant};

use crate::answer::Answer;
use crate::chance::{hash, unit};
use crate::engine::Entered;
use crate::journal::Leave;
use crate::{Fault, ModelScript, Rebuild, UsageScript};

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
    /// Tokens of the prompt that the engine remembers.
    pub(crate) cached_tokens: u32,
    /// What is told instead of what is counted.
    pub(crate) told: UsageScript,
    pub(crate) faults: Vec<Fault>,
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
    /// The share by which each step is shorter or longer, 0 to 1.
    jitter: f64,
    /// What decides by how much.
    seed: u64,
    /// When the last step was due.
    due: Instant,
    steps: u32,
    /// Steps that took time.
    timed: u64,
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
                self.tokens += self.pace.go_on(&self.faults).await;
                Leave::Cancelled
            }
        };
        self.entered.leave(self.tokens, how);
    }

    async fn work(&mut self) -> Result<FinishReason, Cut> {
        if self.entered.is_broken() {
            return Err(Cut::Broken("the lane was not reset after it broke".into()));
        }
        if self.faults.contains(&Fault::FailBeforeFirstToken) {
            return Err(Cut::Failed("the script says so".into()));
        }
        if let Err(reason) = &self.answer {
            return Err(Cut::Failed(reason.clone()));
        }
        self.prefill().await?;
        let reason = self.decode().await?;
        let usage = self.told.told(Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.tokens,
            ..Usage::default()
        });
        self.send(Event::Finish(Finish { reason, usage })).await?;
        Ok(reason)
    }

    async fn prefill(&mut self) -> Result<(), Cut> {
        let total = self.prompt_tokens;
        let mut processed = self.cached_tokens.min(total.saturating_sub(1));
        let slow = self
            .faults
            .iter()
            .find_map(|fault| if let Fault::SlowPrefill { time } = fault { Some(*time) } else { None });
        let per_token = match slow {
            Some(time) => time / (total - processed),
            None => self.pace.per_prompt_token,
        };
        while processed < total {
            let chunk = self.pace.chunk.min(total - processed);
            self.pace.step(per_token * chunk, &self.signals).await?;
            processed += chunk;
            self.send(Event::Prompt { processed, total }).await?;
        }
        Ok(())
    }

    async fn decode(&mut self) -> Result<FinishReason, Cut> {
        loop {
            self.go_wrong().await?;
            if self.faults.contains(&Fault::StopAfter { tokens: self.tokens }) {
                return Ok(FinishReason::Length);
            }
            let answer = self.answer.as_mut().ok();
            let time = answer.as_ref().and_then(|answer| answer.time()).unwrap_or(self.pace.per_token);
            let Some(token) = answer.and_then(Answer::next) else {
                return Ok(FinishReason::Length);
            };
            self.pace.step(time, &self.signals).await?;
            self.tokens += 1;
            if self.tokens == 1 {
                self.entered.note_first_token();
            }
            self.send(Event::Token(token.token)).await?;
            if let Some(reason) = token.ended {
                return Ok(reason);
            }
        }
    }

    /// Does what the script says for after this many tokens.
    async fn go_wrong(&mut self) -> Result<(), Cut> {
        for fault in self.faults.clone() {
            self.go_wrong_by(fault).await?;
        }
        Ok(())
    }

    async fn go_wrong_by(&mut self, fault: Fault) -> Result<(), Cut> {
        match fault {
            Fault::FailAfter { tokens } if tokens == self.tokens => Err(Cut::Failed("the script says so".into())),
            Fault::PanicAfter { tokens } if tokens == self.tokens => {
                self.entered.break_engine(Rebuild::AfterFailures(0));
                Err(Cut::Panicked)
            }
            Fault::BreakLaneAfter { tokens, rebuild } if tokens == self.tokens => {
                self.entered.break_engine(rebuild);
                Err(Cut::Broken("the script says so".into()))
            }
            Fault::HangAfter { tokens } if tokens == self.tokens => {
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
    /// The script's pace, with what the plan has instead. `seed` decides about the jitter.
    pub(crate) fn new(script: &ModelScript, per_token: Option<Duration>, seed: u64) -> Self {
        Self {
            chunk: script.prefill_chunk.max(1),
            per_prompt_token: script.prefill_per_token,
            per_token: per_token.unwrap_or(script.time_per_token),
            stop_delay: script.stop_delay,
            jitter: f64::from(script.jitter_percent.min(100)) / 100.0,
            seed,
            due: Instant::now(),
            steps: 0,
            timed: 0,
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

    pub(crate) async fn wait(&mut self, time: Duration) {
        let time = self.jittered(time);
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

    /// How long so many tokens of a prompt take.
    pub(crate) fn prefill_time(&self, tokens: u32) -> Duration {
        self.per_prompt_token * tokens
    }

    /// What an engine does between being asked to stop and stopping. The tokens that it still makes.
    pub(crate) async fn go_on(&mut self, faults: &[Fault]) -> u32 {
        self.due = Instant::now();
        let deaf = |fault: &Fault| if let Fault::IgnoreCancelFor { tokens } = fault { Some(*tokens) } else { None };
        let more = faults.iter().find_map(deaf).unwrap_or(0);
        for _ in 0..more {
            self.wait(self.per_token).await;
        }
        self.wait(self.stop_delay).await;
        more
    }

    fn jittered(&mut self, time: Duration) -> Duration {
        if self.jitter <= 0.0 || time.is_zero() {
            return time;
        }
        self.timed += 1;
        let draw = unit(hash(&[&self.seed.to_le_bytes(), &self.timed.to_le_bytes()]));
        time.mul_f64(1.0 + self.jitter * (2.0 * draw - 1.0))
    }
}
