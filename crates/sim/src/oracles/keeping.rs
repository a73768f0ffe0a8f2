//! Models that are let go and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend_mock::What as Engine;
use serving::LockEvent;

use super::{Verdict, object};
use crate::facts::Facts;
use crate::history::What;

/// Timers are as coarse as this.
const TICK: Duration = Duration::from_millis(1);

/// An engine is dropped when it was told to be, or idle for just as long as is configured, and never under a holder; while
/// it is away nobody gets a lane, and whoever waits brings it back at once.
pub(super) fn keeping(facts: &Facts<'_>) -> Verdict {
    let mut models: BTreeMap<&str, Kept> = BTreeMap::new();
    let limits: BTreeMap<&str, Duration> = facts
        .world
        .models
        .iter()
        .filter_map(|model| Some((model.name.as_str(), Duration::from_millis(model.unload_after?))))
        .collect();
    let mut is_draining = false;
    for (at, entry) in facts.entries.iter().enumerate() {
        let now = entry.at;
        if at > 0 && now > facts.at(at - 1) && !is_draining {
            for (model, kept) in &models {
                kept.rest(limits.get(model).copied(), now).or_else(|why| object(at - 1, format!("{model}{why}")))?;
            }
        }
        match &entry.what {
            What::DrainBegins => is_draining = true,
            What::ToldToGo(model) => models.entry(model).or_default().told += 1,
            What::Gone(model, _) => models.entry(model).or_default().told -= 1,
            What::Engine(Engine::LoadStarted { model }) => models.entry(model).or_default().is_away = false,
            // Of one that was there, it is tried again, which is another oracle's matter.
            What::Engine(Engine::LoadFailed { model }) => {
                let kept = models.entry(model).or_default();
                kept.has_failed |= !kept.was_there;
            }
            What::Engine(Engine::Loaded { model, .. }) => {
                let kept = models.entry(model).or_default();
                (kept.is_loaded, kept.was_there, kept.last_use) = (true, true, now);
            }
            What::Engine(Engine::Reset { visit, rebuilt: false }) => {
                models.entry(&visit.model).or_default().has_failed = true;
            }
            What::Engine(Engine::Unloaded { model }) if !is_draining => {
                let (limit, kept) = (limits.get(&**model).copied(), models.entry(model).or_default());
                kept.go(limit, now).or_else(|why| object(at, format!("{model}{why}")))?;
            }
            What::Lock(model, event) => {
                let kept = models.entry(model).or_default();
                if matches!(event, LockEvent::Granted { .. }) && !kept.is_loaded {
                    return object(at, format!("{model}: a lane is granted, and the model is not loaded"));
                }
                kept.lock(event);
            }
            What::Outcome(outcome) => {
                let kept = models.entry(&outcome.model).or_default();
                kept.users.remove(&outcome.tag);
                kept.last_use = now;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is known of one model.
#[derive(Default)]
struct Kept {
    is_loaded: bool,
    /// It has been loaded at least once.
    was_there: bool,
    /// It was let go, and no load has begun since.
    is_away: bool,
    /// The first load or a repair has failed: the model may be gone for good, or have fewer lanes.
    has_failed: bool,
    /// How many have told it to go and wait for that.
    told: u32,
    waiting: BTreeSet<u64>,
    held: BTreeSet<u64>,
    /// Those without an outcome.
    users: BTreeSet<u64>,
    last_use: Duration,
}

impl Kept {
    /// What must hold whenever time goes on.
    fn rest(&self, limit: Option<Duration>, now: Duration) -> Result<(), String> {
        if self.is_away && !self.waiting.is_empty() {
            return Err(format!(": {} wait for it, it was let go, and nobody loads it", self.waiting.len()));
        }
        match limit {
            Some(limit) if self.is_idle() && now > self.last_use + limit + TICK => {
                Err(format!(" is loaded still, and idle since {:?}", self.last_use))
            }
            _ => Ok(()),
        }
    }

    fn is_idle(&self) -> bool {
        self.is_loaded && self.users.is_empty() && self.told == 0 && !self.has_failed
    }

    /// Its engine is dropped.
    fn go(&mut self, limit: Option<Duration>, now: Duration) -> Result<(), String> {
        (self.is_loaded, self.is_away) = (false, !self.has_failed);
        if let Some(tag) = self.held.first() {
            return Err(format!(": its engine is dropped while #{tag} has a lane of it"));
        }
        let was_idle = limit.is_some_and(|limit| self.users.is_empty() && now >= self.last_use + limit);
        if self.told > 0 || self.has_failed || was_idle {
            return Ok(());
        }
        Err(format!(" is let go, and in use by {:?}, or until {:?}", self.users, self.last_use))
    }

    fn lock(&mut self, event: &LockEvent) {
        match event {
            LockEvent::Enqueued { ask, .. } => {
                self.waiting.insert(ask.tag);
                self.users.insert(ask.tag);
            }
            LockEvent::Granted { grant, .. } => {
                self.waiting.remove(&grant.ask.tag);
                self.held.insert(grant.ask.tag);
                self.users.insert(grant.ask.tag);
            }
            LockEvent::Released { grant } => _ = self.held.remove(&grant.ask.tag),
            LockEvent::Left { ask, .. } | LockEvent::Refused { ask, .. } => {
                self.waiting.remove(&ask.tag);
                self.held.remove(&ask.tag);
            }
            _ => {}
        }
    }
}
