//! The record that every request leaves, whatever happened to it.

use std::sync::Arc;
use std::time::Duration;

use backend::{FinishReason, Usage};
use tokio::time::Instant;
use tracing::Span;

use crate::instance::Instance;
use crate::live::LiveRequest;
use crate::quietly::quietly;
use crate::run::Ending;
use crate::service::OutcomeObserver;
use crate::{AdapterView, Class, Failure, Refusal};

/// Where a request is, or was when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Waits for the model to be loaded.
    Loading,
    /// Waits for a lane.
    Waiting,
    /// Holds a lane; the prompt is still being turned into tokens.
    Encoding,
    /// Holds a lane; the prompt is being processed.
    Prefill,
    /// Holds a lane; tokens are being generated.
    Decode,
    /// Holds a lane; the engine has been asked to stop and has not yet said that it has.
    Stopping,
}

impl Phase {
    /// The phase's name in logs, metrics and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Waiting => "waiting",
            Self::Encoding => "encoding",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Stopping => "stopping",
        }
    }
}

/// How a request ended. Each ends exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The answer is complete.
    Finished(FinishReason),
    /// The client left.
    Cancelled,
    /// The client stopped reading.
    Stalled,
    /// It was refused before its first token.
    Refused,
    /// The engine failed.
    Failed,
    /// The service went down.
    ShutDown,
}

impl Ended {
    /// The ending's name in logs, metrics and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished(FinishReason::Stop) => "finished",
            Self::Finished(FinishReason::Length) => "finished_length",
            Self::Finished(FinishReason::ToolCalls) => "finished_tool_calls",
            Self::Cancelled => "cancelled",
            Self::Stalled => "stalled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::ShutDown => "shut_down",
        }
    }
}

/// One request's record. Logs, headers and the lock history come from it.
///
/// Times are offsets from the start of the service, so that intervals of different requests can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The number of its submission, rising by one. The lock's events name it by this tag.
    pub tag: u64,
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub client: Option<String>,
    /// The model that served it, or would have.
    pub model: String,
    /// Its priority class.
    pub class: Class,
    /// The number of its lease; `None` when it got no lane.
    pub ticket: Option<u64>,
    /// The lane that it held.
    pub lane: Option<u64>,
    /// When it was submitted.
    pub arrived: Duration,
    /// When it got its lane.
    pub granted: Option<Duration>,
    /// When its first token came.
    pub first_token: Option<Duration>,
    /// When the lane went home, the engine having stopped.
    pub released: Option<Duration>,
    /// When it ended.
    pub ended_at: Duration,
    /// Tokens of the prompt, or of all inputs; 0 when the engine never got them.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub tokens: u32,
    /// Tokens of the prompt that the engine remembered. An engine tells this, and the next two, with the end of an answer:
    /// they are 0 where it did not come to that.
    pub cached_tokens: u32,
    /// Tokens that the engine guessed and computed along.
    pub drafted_tokens: u32,
    /// Those of them that became part of the answer.
    pub accepted_tokens: u32,
    /// The adapter that was at work for it, or would have been.
    pub adapter: Option<AdapterView>,
    /// Where it was when it ended.
    pub phase: Phase,
    /// How it ended.
    pub ended: Ended,
}

impl Outcome {
    /// How long it waited for a lane, or in vain.
    pub fn waited(&self) -> Duration {
        self.granted.unwrap_or(self.ended_at).saturating_sub(self.arrived)
    }

    /// How long it held its lane.
    pub fn held(&self) -> Option<Duration> {
        Some(self.released?.saturating_sub(self.granted?))
    }
}

/// Where a finished request's time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Until it got its lane, loading included.
    pub waited: Duration,
    /// How much of that was the model's being loaded.
    pub loading: Duration,
    /// From the lane to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
}

/// The pen for one request's outcome. It exists as long as the request is visible as live.
pub(crate) struct Record {
    instance: Arc<Instance>,
    live: Arc<LiveRequest>,
    epoch: Instant,
    observer: Option<OutcomeObserver>,
    /// Where the request was submitted: the span with what its caller says of it.
    span: Span,
}

impl Record {
    /// Makes the request visible.
    pub(crate) fn new(
        instance: Arc<Instance>,
        live: Arc<LiveRequest>,
        epoch: Instant,
        observer: Option<OutcomeObserver>,
    ) -> Self {
        instance.live.enter(Arc::clone(&live));
        Self { instance, live, epoch, observer, span: Span::current() }
    }

    /// Writes the outcome: into the log, and into the model's history if a lane was held. Consumes the pen, so
    /// that nothing is written twice (S2).
    ///
    /// A lane that is held is let go right after this, so now counts as the end of the hold.
    pub(crate) fn write(self, ending: &Ending, phase: Phase) {
        let Self { instance, live, epoch, observer, span } = self;
        let now = Instant::now();
        let at = |instant: Instant| instant.duration_since(epoch);
        let grant = live.granted();
        let usage = usage(ending);
        let outcome = Outcome {
            tag: live.tag,
            request_id: live.request_id.clone(),
            client: live.client.clone(),
            model: instance.id().to_string(),
            class: live.class,
            ticket: grant.map(|grant| grant.ticket),
            lane: grant.map(|grant| grant.lane),
            arrived: at(live.arrived),
            granted: grant.map(|grant| at(grant.at)),
            first_token: live.first_token().map(at),
            released: grant.map(|_| at(now)),
            ended_at: at(now),
            prompt_tokens: live.prompt_tokens(),
            tokens: live.tokens(),
            cached_tokens: usage.cached_tokens,
            drafted_tokens: usage.drafted_tokens,
            accepted_tokens: usage.accepted_tokens,
            adapter: live.adapter.clone(),
            phase,
            ended: Ended::from(ending),
        };
        quietly(|| span.in_scope(|| log(&outcome, ending)));
        if let Some(observer) = observer {
            quietly(|| observer(&outcome));
        }
        // After that: whoever finds that a request is no longer under way finds its outcome told.
        instance.live.leave(live.tag);
        instance.touch();
        if let Some(held) = outcome.held() {
            instance.lock.record_hold(u64::try_from(held.as_nanos()).unwrap_or(u64::MAX));
        }
        if grant.is_some() {
            instance.history.push(outcome);
        }
    }
}

impl From<&Ending> for Ended {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(completed) => Self::Finished(completed.finish.reason),
            Ending::Embedded(_) => Self::Finished(FinishReason::Stop),
            Ending::Left => Self::Cancelled,
            Ending::Failed(Failure::Stalled(_)) => Self::Stalled,
            Ending::Failed(Failure::Backend { .. }) | Ending::Refused(Refusal::Backend { .. }) => Self::Failed,
            Ending::Failed(Failure::ShuttingDown) | Ending::Refused(Refusal::ShuttingDown) => Self::ShutDown,
            Ending::Refused(_) => Self::Refused,
        }
    }
}

/// What the engine told of the whole answer, where there is one.
fn usage(ending: &Ending) -> Usage {
    match ending {
        Ending::Completed(completed) => completed.finish.usage,
        Ending::Embedded(_) | Ending::Refused(_) | Ending::Failed(_) | Ending::Left => Usage::default(),
    }
}

fn log(outcome: &Outcome, ending: &Ending) {
    let reason = match ending {
        Ending::Refused(refusal) => refusal.to_string(),
        Ending::Failed(failure) => failure.to_string(),
        Ending::Completed(_) | Ending::Embedded(_) | Ending::Left => String::new(),
    };
    tracing::info!(
        request_id = outcome.request_id,
        client = outcome.client,
        model = outcome.model,
        adapter = outcome.adapter.as_ref().map(|adapter| adapter.name.as_str()),
        ticket = outcome.ticket,
        waited_ms = millis(outcome.waited()),
        held_ms = outcome.held().map(millis),
        tokens = outcome.tokens,
        cached_tokens = some(outcome.cached_tokens),
        drafted_tokens = some(outcome.drafted_tokens),
        accepted_tokens = some(outcome.drafted_tokens).map(|_| outcome.accepted_tokens),
        phase = outcome.phase.as_str(),
        outcome = outcome.ended.as_str(),
        reason,
        "request ended"
    );
}

/// A line says nothing of what did not happen.
fn some(n: u32) -> Option<u32> {
    (n > 0).then_some(n)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
