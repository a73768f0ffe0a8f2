//! The loop of an engine: commands in, steps of all busy lanes, events out.
//!
//! Between two steps, lanes begin, end and leave. A lane whose reader is slow is left out until there is room for its
//! events, and holds up no other.
//!
//! Where a step fails, the context is made anew and everybody else's tokens are computed once more. With several lanes
//! in the step, whose fault it was is found out by computing them one by one.

mod drafting;
mod failing;
mod saving;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use backend::{Adapter, GenerateError, LaneBroken};
use futures_executor::block_on;
use llama_cpp_2::{DecodeError, SeqState};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

pub(super) use self::failing::panic_text;
use super::cache::{Cache, Reuse};
use super::embedder::{Embedder, Embeds, NoVector};
use super::job::{BrokenFlag, Command, Envelope, Job};
use super::saved::Saved;
use super::schedule::{self, Kind, Share, Want};
use super::session::{Part, Session};
use super::task::Task;
use super::trust::Trust;
use crate::answering::{Trouble, tokens};
use crate::cores::Cores;

const NEEDS_RESET: &str = "the lane needs a reset";

/// A lane, seen from its engine.
struct Slot {
    cache: Cache,
    task: Option<Task>,
    embeds: Option<Embeds>,
    /// What the cache was computed with: it is of no use to a request with another one.
    adapter: Option<Adapter>,
    /// Set by a failure, until the lane is reset.
    broken: BrokenFlag,
}

/// An engine: a context and its lanes.
pub(super) struct Engine<'model> {
    session: Session<'model>,
    embedder: Embedder<'model>,
    cores: Cores,
    slots: Vec<Slot>,
    /// Whose prompt goes first in the next step.
    turn: usize,
    /// Every lane; the one that waits longest for a step comes first, with its adapter.
    adapter_order: Vec<usize>,
    /// Lanes of a step that failed, to be computed one by one.
    suspects: VecDeque<usize>,
    /// What lanes have computed for conversations that made room for others.
    saved: Saved<SeqState>,
    /// What is known of drafts.
    trust: Trust,
    /// Where the logits of each share are; kept for its memory.
    places: Vec<i32>,
}

impl Slot {
    /// Whether what comes next is a picture.
    fn is_at_a_picture(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.picture(self.cache.len()).is_some())
    }

    fn is_idle(&self) -> bool {
        self.task.is_none() && self.embeds.is_none()
    }
}

impl<'model> Engine<'model> {
    pub(super) fn new(session: Session<'model>, cores: Cores) -> Self {
        let limits = session.shared().limits;
        let step = limits.step_tokens as usize;
        let slot =
            || Slot { cache: Cache::new(step), task: None, embeds: None, adapter: None, broken: BrokenFlag::default() };
        let slots = (0..limits.lanes).map(|_| slot()).collect();
        let embedder = Embedder::new(session.shared());
        let saved = Saved::new(limits.saved_bytes_max, Arc::clone(&session.shared().saved_counts));
        Self {
            session,
            embedder,
            cores,
            slots,
            turn: 0,
            adapter_order: (0..limits.lanes as usize).collect(),
            suspects: VecDeque::new(),
            saved,
            trust: Trust::new(limits.is_mixture),
            places: Vec::new(),
        }
    }

    /// Serves until the last lane is gone.
    pub(super) fn serve(&mut self, mut inbox: Receiver<Envelope>) {
        loop {
            if self.slots.iter().all(Slot::is_idle) {
                match inbox.blocking_recv() {
                    Some(envelope) => self.take(envelope),
                    None => return,
                }
            }
            while let Ok(envelope) = inbox.try_recv() {
                self.take(envelope);
            }
            self.dismiss();
            let embedded = self.embed();
            if !self.step()
                && !embedded
                && let Some(envelope) = self.wait(&mut inbox)
            {
                self.take(envelope);
            }
        }
    }

    /// Carries a command out, or begins to.
    fn take(&mut self, Envelope { lane, command, broken, working }: Envelope) {
        self.slots[lane].broken = broken;
        match command {
            Command::Generate(job) => self.begin(lane, job, working),
            Command::Embed(job) => self.slots[lane].embeds = Some(Embeds::new(job, working)),
            // The lane may have stopped waiting; it is as new all the same.
            Command::Reset(reply) => drop(reply.send(self.reset(lane))),
        }
    }

    fn begin(&mut self, lane: usize, job: Box<Job>, working: oneshot::Sender<()>) {
        // A reader that has left by now hears nothing, which is its right.
        let refuse = |error| drop(job.events.try_send(Err(error)));
        if self.slots[lane].broken.is_set() {
            return refuse(GenerateError::LaneBroken { reason: NEEDS_RESET.to_string() });
        }
        let shared = self.session.shared();
        if !shared.limits.generates {
            let reason = "this model embeds or ranks texts and does not continue them".to_string();
            return refuse(GenerateError::Failed { reason });
        }
        let answering = match catch_unwind(AssertUnwindSafe(|| shared.answerer.begin(&job.request))) {
            Ok(Ok(answering)) => answering,
            Ok(Err(Trouble::Request(reason) | Trouble::Engine(reason))) => {
                return refuse(GenerateError::Failed { reason });
            }
            Err(panic) => return refuse(GenerateError::Failed { reason: panic_text(&*panic) }),
        };
        let slot = &mut self.slots[lane];
        let adapter = job.request.options.applied_adapter();
        let is_known = job.request.options.cache_prompt && slot.adapter == adapter;
        let reuse = if is_known { shared.limits.reuse } else { Reuse::Never };
        let prompt = tokens(&job.request);
        let n_known = slot.cache.reusable(&prompt, reuse);
        let wanted = if job.request.options.cache_prompt { shared.limits.reuse } else { Reuse::Never };
        let mut n_cached = self.exchange(lane, &prompt, adapter, wanted, n_known);
        if !self.session.cut(lane, n_cached) {
            // A model that keeps a state instead of tokens can only begin anew.
            n_cached = 0;
            if !self.session.cut(lane, 0) {
                return refuse(self.break_lane(lane, "the cache could not be emptied".to_string()));
            }
        }
        let slot = &mut self.slots[lane];
        slot.cache.cut(n_cached);
        slot.adapter = adapter;
        let task = slot.task.insert(Task::new(job, working, answering, n_cached));
        // An adapter is computed by other kernels than the weights, so what is known of these does not hold.
        if shared.limits.draft_tokens > 0 && adapter.is_none() {
            task.draft_along(shared.limits.draft_tokens as usize);
        }
        if task.next(n_cached).is_none()
            && let Some(logits) = slot.cache.logits()
        {
            let chosen = catch_unwind(AssertUnwindSafe(|| task.choose(logits)));
            self.settle(lane, chosen);
        }
    }

    fn reset(&mut self, lane: usize) -> Result<(), LaneBroken> {
        let broken = |reason| LaneBroken { reason };
        if let [_] = self.slots[..] {
            // Whatever is wrong with the lane is wrong with the context.
            self.session.close();
            self.embedder.close();
            self.saved.clear();
        }
        match catch_unwind(AssertUnwindSafe(|| self.session.open())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(error.to_string())),
            Err(panic) => return Err(broken(panic_text(&*panic))),
        }
        if !self.session.cut(lane, 0) {
            return Err(broken("the cache could not be emptied".to_string()));
        }
        let slot = &mut self.slots[lane];
        slot.cache.cut(0);
        slot.broken.set(false);
        Ok(())
    }

    /// Lets go of tasks that are over or that nobody wants any more.
    fn dismiss(&mut self) {
        for slot in &mut self.slots {
            if let Some(task) = &mut slot.task {
                task.send();
                if task.is_over() || task.is_cancelled() {
                    self.session.synchronize();
                    slot.task = None;
                }
            }
            if slot.embeds.as_ref().is_some_and(Embeds::is_cancelled) {
                slot.embeds = None;
            }
        }
    }

    /// Makes the vector of one text of each lane that has any. `false` where none has.
    fn embed(&mut self) -> bool {
        let mut worked = false;
        for slot in &mut self.slots {
            let Some(mut embeds) = slot.embeds.take() else { continue };
            worked = true;
            if slot.broken.is_set() {
                embeds.end(Some(GenerateError::LaneBroken { reason: NEEDS_RESET.to_string() }));
                continue;
            }
            let Some(text) = embeds.next() else {
                embeds.end(None);
                continue;
            };
            let _cores = self.cores.take(self.session.shared().limits.threads);
            let made = catch_unwind(AssertUnwindSafe(|| self.embedder.embed(&text)));
            let reason = match made {
                Ok(Ok(embedding)) => {
                    embeds.push(embedding);
                    slot.embeds = Some(embeds);
                    continue;
                }
                Ok(Err(NoVector::Text(reason))) => {
                    embeds.end(Some(GenerateError::Failed { reason }));
                    continue;
                }
                Ok(Err(NoVector::Broken(reason))) => reason,
                Err(panic) => panic_text(&*panic),
            };
            tracing::error!(reason, "a text could not be embedded; the context for it is given up");
            self.embedder.close();
            slot.broken.set(true);
            embeds.end(Some(GenerateError::LaneBroken { reason }));
        }
        worked
    }

    /// Computes one step of the lanes that can go on. `false` where none can.
    fn step(&mut self) -> bool {
        self.guess();
        let shares = self.plan();
        if shares.is_empty() {
            return false;
        }
        match catch_unwind(AssertUnwindSafe(|| self.compute(&shares))) {
            Ok(Ok(computed)) => self.advance(&shares, computed),
            Ok(Err(Stuck::Full)) => self.blame(&shares, None),
            Ok(Err(Stuck::Broken(reason))) => self.blame(&shares, Some(reason)),
            Err(panic) => self.blame(&shares, Some(panic_text(&*panic))),
        }
        true
    }

    fn plan(&mut self) -> Vec<Share> {
        let want = |(lane, slot): (usize, &Slot)| {
            let task = slot.task.as_ref()?;
            let (n_tokens, kind) = task.next(slot.cache.len())?;
            let waits = task.is_held_up() || task.is_over();
            (!waits).then_some(Want { lane, n_tokens, kind, adapter: task.adapter() })
        };
        let mut wants: Vec<Want> = self.slots.iter().enumerate().filter_map(want).collect();
        // Those that left or wait for their reader are not asked for now.
        self.suspects.retain(|lane| wants.iter().any(|want| want.lane == *lane));
        if let Some(suspect) = self.suspects.front() {
            wants.retain(|want| want.lane == *suspect);
        }
        schedule::leave_one_adapter(&mut wants, &mut self.adapter_order);
        let shares = schedule::plan(&wants, self.session.shared().limits.step_tokens as usize, self.turn);
        if let Some(first) =
            shares.iter().find(|share| wants.iter().any(|w| w.lane == share.lane && w.kind != Kind::Answer))
        {
            self.turn = (first.lane + 1) % self.slots.len();
        }
        shares
    }

    fn compute(&mut self, shares: &[Share]) -> Result<Computed, Stuck> {
        self.session.open().map_err(|error| Stuck::Broken(error.to_string()))?;
        #[cfg(test)]
        if shares.iter().any(|share| self.slots[share.lane].task.as_ref().is_some_and(Task::spoils_steps)) {
            return Err(Stuck::Broken("planted".to_string()));
        }
        // Here and nowhere else: what the step before left in the context is taken off, whoever that was and however it ended.
        let adapter = shares.first().and_then(|share| self.slots[share.lane].task.as_ref()?.adapter());
        self.session.apply(adapter).map_err(Stuck::Broken)?;
        if let [share] = shares
            && self.slots[share.lane].is_at_a_picture()
        {
            return self.compute_picture(share);
        }
        let part = |share: &Share| {
            let slot = &self.slots[share.lane];
            let task = slot.task.as_ref().expect("only lanes with a task have a share");
            let begin = slot.cache.len();
            let end = begin + share.n_tokens;
            let (position, tokens) = (slot.cache.position(), &task.tokens[begin..end]);
            Part { lane: share.lane, position, tokens, draft: task.draft(), choose: end == task.tokens.len() }
        };
        let parts: Vec<Part<'_>> = shares.iter().map(part).collect();
        let _cores = self.cores.take(self.session.shared().limits.threads);
        self.session.compute(&parts, &mut self.places).map_err(|error| match error {
            DecodeError::NoKvCacheSlot => Stuck::Full,
            error => Stuck::Broken(error.to_string()),
        })?;
        Ok(Computed::Tokens)
    }

    /// Computes the picture that comes next on a lane.
    fn compute_picture(&mut self, share: &Share) -> Result<Computed, Stuck> {
        let Slot { cache, task, .. } = &mut self.slots[share.lane];
        let picture = task.as_ref().and_then(|task| task.picture(cache.len()));
        let picture = picture.ok_or_else(|| Stuck::Broken("the picture is not in the prompt".to_string()))?;
        let _cores = self.cores.take(self.session.shared().limits.threads);
        let next = self.session.compute_picture(share.lane, cache.position(), picture, share.n_tokens);
        Ok(Computed::Picture { next: next.map_err(Stuck::Broken)? })
    }

    /// Takes the results of a step to their tasks.
    fn advance(&mut self, shares: &[Share], computed: Computed) {
        for (i, share) in shares.iter().enumerate() {
            let advanced = catch_unwind(AssertUnwindSafe(|| self.advance_lane(i, share, computed)));
            if !self.settle(share.lane, advanced) {
                // The logits of the others went with the context; their tokens are computed again.
                return;
            }
        }
    }

    fn advance_lane(&mut self, i: usize, share: &Share, computed: Computed) -> Result<(), Trouble> {
        let slot = &mut self.slots[share.lane];
        let (Some(task), Some(context)) = (&mut slot.task, self.session.context()) else {
            return Ok(());
        };
        if !task.draft().is_empty() {
            return self.advance_draft(share.lane, self.places[i]);
        }
        let begin = slot.cache.len();
        let tokens = &task.tokens[begin..begin + share.n_tokens];
        match computed {
            Computed::Tokens => slot.cache.push(tokens),
            Computed::Picture { next } => slot.cache.push_picture(tokens, next),
        }
        task.computed(begin, share.n_tokens);
        task.tell_progress(slot.cache.len());
        if slot.cache.len() < task.tokens.len() {
            return Ok(());
        }
        // No prompt ends in a picture, so that these are places of tokens.
        let logits = context.get_logits_ith(self.places[i]);
        if slot.cache.len() == task.n_prompt() {
            slot.cache.keep_logits(logits);
        }
        // What failed before is computed now, by itself.
        self.suspects.retain(|lane| *lane != share.lane);
        let choice = task.choose_plainly(slot.cache.len(), logits, &mut self.trust)?;
        self.go_back_if(share.lane, choice)
    }

    /// Waits until a lane can go on: for a command, or for room in the channel of a task that is held up.
    fn wait(&self, inbox: &mut Receiver<Envelope>) -> Option<Envelope> {
        let held_up = self.slots.iter().filter_map(|slot| slot.task.as_ref()).filter(|task| task.is_held_up());
        let mut rooms: Vec<_> = held_up.map(|task| Box::pin(task.events().reserve())).collect();
        if rooms.is_empty() {
            return None;
        }
        block_on(poll_fn(|cx| {
            // Without lanes there are no commands, but the last task may not have been told yet that its reader left.
            if let Poll::Ready(Some(envelope)) = inbox.poll_recv(cx) {
                return Poll::Ready(Some(envelope));
            }
            // The place that was found is given back, and taken when the event is sent.
            let is_ready = rooms.iter_mut().any(|room| Future::poll(room.as_mut(), cx).is_ready());
            if is_ready { Poll::Ready(None) } else { Poll::Pending }
        }))
    }
}

/// What a step computed.
#[derive(Debug, Clone, Copy)]
enum Computed {
    Tokens,
    /// After it the lane stands at this position.
    Picture {
        next: usize,
    },
}

/// Why a step was not computed.
enum Stuck {
    /// The cache has no room; the context is as it was.
    Full,
    /// The context is in an unknown state.
    Broken(String),
}
