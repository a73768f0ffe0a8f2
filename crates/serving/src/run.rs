//! The life of one request, in a task of its own.
//!
//! The task owns the wait and then the lease, and nothing else does. Whatever happens, a client that leaves, an engine
//! that panics, a shutdown, comes out of [`Run::run`] as one ending. The service writes the one outcome from it.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backend::{Embedding, Event, EventStream, Finish, GenerateError, Lane, Token};
use futures_util::future::{BoxFuture, MaybeDone};
use futures_util::{FutureExt, StreamExt, future};
use model_locks::{AcquireError, Lease};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::canary;
use crate::encode::{Task, Work, encode};
use crate::generation::Reply;
use crate::instance::{Instance, State};
use crate::live::{Grant, LiveRequest};
use crate::repair::repair;
use crate::{Completed, Failure, Phase, Refusal, Started, Timings};

pub(crate) type LaneLease = Lease<Box<dyn Lane>>;

/// A place in the queue. Boxed, because the compiler cannot show of the lock's own future, which is generic over how it
/// holds the lock, that the task may move between threads.
pub(crate) type Wait = BoxFuture<'static, Result<LaneLease, AcquireError>>;

/// Everything one request needs.
pub(crate) struct Run {
    pub(crate) instance: Arc<Instance>,
    pub(crate) live: Arc<LiveRequest>,
    /// Polled once already, so that the place in the queue is that of the submission.
    pub(crate) acquire: MaybeDone<Wait>,
    /// `None` once it is being encoded.
    pub(crate) work: Option<Work>,
    pub(crate) reply: Reply,
    pub(crate) deadline: Instant,
    pub(crate) stall_timeout: Duration,
    /// Ends every request that is still under way when the time to drain is over.
    pub(crate) shutdown: CancellationToken,
    /// Where repairs run: they outlive the request that made them necessary.
    pub(crate) repairs: TaskTracker,
}

/// How a request ended, and what its client is told.
#[derive(Clone)]
pub(crate) enum Ending {
    Refused(Refusal),
    Completed(Completed),
    Embedded(Vec<Embedding>),
    Failed(Failure),
    /// Nobody is there to be told.
    Left,
}

/// What the outcome needs to know.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) phase: Phase,
    /// The lease of an engine that has stopped. The lane goes home when this is dropped: after the outcome is
    /// written, so that the history of a lane is in the order of its holds.
    pub(crate) lease: Option<LaneLease>,
    pub(crate) reply: Reply,
}

impl Run {
    /// Runs the request to its end.
    pub(crate) async fn run(mut self) -> Ended {
        let served = AssertUnwindSafe(self.serve()).catch_unwind().await;
        let (ending, phase, lease) = served.unwrap_or_else(|_| {
            // The unwinding dropped the lease, if there was one, which put its lane into quarantine.
            self.repair();
            (self.failed("the engine panicked".into()), self.live.phase(), None)
        });
        Ended { ending, phase, lease, reply: self.reply }
    }

    async fn serve(&mut self) -> (Ending, Phase, Option<LaneLease>) {
        let waited = self.wait().await;
        match waited {
            Ok((lease, task)) => self.hold(lease, task).await,
            Err(ending) => (ending, self.live.phase(), None),
        }
    }

    /// Waits for the lane and encodes the prompt meanwhile.
    async fn wait(&mut self) -> Result<(LaneLease, Task), Ending> {
        let Self { instance, live, acquire, work, reply, shutdown, deadline, .. } = self;
        let work = work.take().expect("a request waits once");
        let lane = async {
            let mut acquire = std::pin::Pin::new(acquire);
            tokio::select! {
                biased;
                () = acquire.as_mut() => {}
                // The lock stays open for those who ask after the next load. Who has nothing left to encode hears of the one
                // that failed only here.
                refusal = instance.faltered() => return Err(refusal),
            }
            let lease = acquire.take_output().expect("a wait that is done has an output");
            let lease = lease.map_err(|error| refused(error, instance))?;
            let (ticket, lane) = (lease.ticket().get(), u64::from(lease.lane().get()));
            live.set_granted(Grant { at: Instant::now(), ticket, lane });
            live.set_phase(Phase::Encoding);
            Ok(lease)
        };
        // Both are polled by this task until one fails: the wait is never left unpolled, and a prompt that
        // cannot run gives its place back at once.
        let both = async {
            let (lease, encoded) = future::try_join(lane, encode(instance, live, work)).await?;
            Ok((lease, encoded.again(instance, live).await?.task))
        };
        tokio::select! {
            biased;
            // A lane granted in the same moment goes to the next waiter when `both` is dropped.
            () = reply.tokens.closed(), if !canary::waits_on() => Err(Ending::Left),
            () = shutdown.cancelled() => Err(Ending::Refused(Refusal::ShuttingDown)),
            both = both => both.map_err(Ending::Refused),
            () = in_vain(live, *deadline) => Err(Ending::Refused(Refusal::QueueTimeout {
                model: instance.id().to_string(),
                waited: live.arrived.elapsed(),
                // It is among those who wait, until it is told.
                retry_after: estimate(instance, instance.lock.counts().waiting.saturating_sub(1)),
            })),
        }
    }

    /// Runs the engine under the lease, and gives the lease back when the engine has stopped, and not before.
    async fn hold(&mut self, mut lease: LaneLease, task: Task) -> (Ending, Phase, Option<LaneLease>) {
        let _one_for_all = canary::global_lock().await;
        self.live.set_phase(Phase::Prefill);
        self.live.set_prompt_tokens(task.prompt_tokens());
        // The prompt at once, so that whoever is chosen for another lane meanwhile is chosen with it in mind.
        lease.charge(u64::from(self.live.prompt_tokens()));
        // What runs the engine is a temporary: it is dropped at the end of its arm, which asks the engine to stop.
        let done = match task {
            Task::Generate(request) => {
                self.instance.remember_lane(&request.prompt.prompt, lease.lane());
                self.pump(lease.generate(request)).await
            }
            Task::Embed(inputs) => self.embed(&mut lease, inputs).await,
        };
        // The engine borrows the lease while it works, so that the answer is counted in one go.
        lease.charge(u64::from(self.live.tokens()));
        let phase = self.live.phase();
        self.live.set_phase(Phase::Stopping);
        if !canary::releases_early() {
            // Without this wait the next request would enter while the engine still works for this one.
            lease.quiesce().await;
        }
        match done {
            // It broke behind a client that left or had stopped reading. Whoever comes next must not fail for it.
            Ok(ending) if lease.is_broken() => {
                lease.quarantine("it broke for a request that had ended by then");
                self.repair();
                (ending, phase, None)
            }
            Ok(ending) => (ending, phase, Some(lease)),
            Err(reason) => {
                lease.quarantine(reason.clone());
                self.repair();
                (self.failed(reason), phase, None)
            }
        }
    }

    /// Carries events from the engine to the client. `Err` means that the lane must be rebuilt.
    async fn pump(&mut self, mut events: EventStream<'_>) -> Result<Ending, String> {
        // Waited for from here to the end: to begin anew with every token is a tenth of what a token costs here.
        let (tokens, shutdown) = (self.reply.tokens.clone(), self.shutdown.clone());
        let (mut left, mut over) = (pin!(tokens.closed()), pin!(shutdown.cancelled()));
        loop {
            let event = tokio::select! {
                biased;
                () = left.as_mut(), if !canary::works_on() => return Ok(Ending::Left),
                () = over.as_mut() => return Ok(self.shut_down()),
                event = events.next() => event,
            };
            let token = match event {
                Some(Ok(Event::Token(token))) => token,
                Some(Ok(Event::Finish(finish))) => {
                    self.start();
                    return Ok(Ending::Completed(self.completed(finish)));
                }
                Some(Ok(_)) => continue,
                Some(Err(GenerateError::LaneBroken { reason })) => return Err(reason),
                Some(Err(error)) => return Ok(self.failed(error.to_string())),
                None => return Err("the engine ended without a finish".into()),
            };
            self.live.set_first_token();
            for _ in 0..canary::counts() {
                self.live.count_token();
            }
            self.live.set_phase(Phase::Decode);
            self.start();
            if let Some(ending) = self.send(token).await {
                return Ok(ending);
            }
        }
    }

    /// Gives a token to the client; tells how the request ends where the client takes no more.
    async fn send(&mut self, token: Token) -> Option<Ending> {
        if token.is_empty() || (canary::drops_text() && self.reply.tokens.capacity() == 0) {
            return None;
        }
        let token = match self.reply.tokens.try_send(token) {
            Ok(()) => return None,
            Err(TrySendError::Closed(_)) => return Some(Ending::Left),
            Err(TrySendError::Full(token)) => token,
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Some(self.shut_down()),
            sent = timeout(self.stall_timeout, self.reply.tokens.send(token)) => match sent {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(Ending::Left),
                Err(_) => Some(Ending::Failed(Failure::Stalled(self.stall_timeout))),
            },
        }
    }

    /// Tells the client, once, that there is an answer.
    pub(crate) fn start(&mut self) {
        let Some(start) = self.reply.start.take() else {
            return;
        };
        let granted = self.live.granted().expect("a request that runs has a lane");
        let started = Started {
            model: self.instance.id_with(self.live.adapter.as_ref()),
            ticket: granted.ticket,
            waited: granted.at.duration_since(self.live.arrived),
            loading: self.live.loading(),
            prefill: granted.at.elapsed(),
            prompt_tokens: self.live.prompt_tokens(),
        };
        // A client that has left is noticed at the next event.
        let _ = start.send(Ok(started));
    }

    fn completed(&self, finish: Finish) -> Completed {
        let granted = self.live.granted().expect("a request that runs has a lane").at;
        let now = Instant::now();
        let first_token = self.live.first_token().unwrap_or(now);
        let timings = Timings {
            waited: granted.duration_since(self.live.arrived),
            loading: self.live.loading(),
            prefill: first_token.duration_since(granted),
            decode: now.duration_since(first_token),
        };
        Completed { finish, timings }
    }

    /// The ending of an engine failure: a refusal as long as the client has seen nothing.
    pub(crate) fn failed(&self, reason: String) -> Ending {
        match self.reply.start {
            Some(_) => Ending::Refused(Refusal::Backend { model: self.instance.id().to_string(), reason }),
            None => Ending::Failed(Failure::Backend { reason }),
        }
    }

    pub(crate) fn shut_down(&self) -> Ending {
        match self.reply.start {
            Some(_) => Ending::Refused(Refusal::ShuttingDown),
            None => Ending::Failed(Failure::ShuttingDown),
        }
    }

    fn repair(&self) {
        self.repairs.spawn(repair(Arc::clone(&self.instance)));
    }
}

/// Resolves when the deadline passes for a request that has no lane by then. It bounds the wait for one and nothing
/// else.
async fn in_vain(live: &LiveRequest, deadline: Instant) {
    sleep_until(deadline).await;
    if live.granted().is_some() {
        future::pending().await
    }
}

/// What the lock's answer means to a client.
pub(crate) fn refused(error: AcquireError, instance: &Instance) -> Refusal {
    let model = instance.id().to_string();
    match (error, instance.state()) {
        (AcquireError::QueueFull { waiting, limit }, _) => {
            Refusal::QueueFull { model, waiting, limit, retry_after: estimate(instance, waiting) }
        }
        (AcquireError::Closed, State::Absent(absence)) if !absence.is_passing() => instance.unavailable(absence),
        (AcquireError::Quarantined { reason }, _) => {
            Refusal::ModelUnavailable { model, reason: reason.to_string(), retry_after: None }
        }
        // A lock is closed when its model fails for good, which was the case above, or when the service goes.
        (_, State::Loading | State::Ready(_) | State::Unloaded(_) | State::Absent(_)) => Refusal::ShuttingDown,
    }
}

/// When one more request would get a lane of this model, behind so many others.
fn estimate(instance: &Instance, ahead: usize) -> Option<Duration> {
    instance.lock.expected_wait(ahead).map(Duration::from_nanos)
}
