//! Lanes: L1, L6, L8 and L9.

use std::collections::{BTreeMap, BTreeSet};

use backend_mock::{Leave, What as Engine};
use model_locks::AcquireError;
use serving::LockEvent;

use super::{Verdict, object, replay};
use crate::facts::Facts;
use crate::history::What;

/// L1. A lane has one holder, and an engine one visitor.
pub(super) fn exclusion(facts: &Facts<'_>) -> Verdict {
    for (at, entry) in facts.entries.iter().enumerate() {
        if let What::Engine(Engine::Overlap { visit, inside }) = &entry.what {
            return object(at, format!("{visit:?} entered the engine while it worked for {inside:?}"));
        }
    }
    replay::each(facts, |at, model, lock, event| match event {
        LockEvent::Granted { grant, .. } => match lock.held.get(&grant.lane.get()) {
            Some(holder) => object(at, format!("{model}: lane {} is lent again while #{holder} has it", grant.lane)),
            None => Ok(()),
        },
        _ => Ok(()),
    })
}

/// L6. Whenever time goes on, nobody waits beside a lane that is free and sound, unless the model is being let go.
pub(super) fn rest(facts: &Facts<'_>) -> Verdict {
    let mut models: BTreeMap<&str, Rest> = BTreeMap::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        if at > 0 && entry.at > facts.at(at - 1) {
            for (model, Rest { free, waiting, going, .. }) in &models {
                if !waiting.is_empty() && !free.is_empty() && *going == 0 {
                    let n = waiting.len();
                    return object(at - 1, format!("{model}: {n} wait and the lanes {free:?} are free"));
                }
            }
        }
        match &entry.what {
            What::Engine(engine) => {
                if let Some(model) = model_of(engine) {
                    models.entry(model).or_default().engine(engine);
                }
            }
            What::Lock(model, event) => models.entry(model).or_default().lock(event),
            What::ToldToGo(model) => models.entry(model).or_default().going += 1,
            What::Gone(model, _) => models.entry(model).or_default().going -= 1,
            _ => {}
        }
    }
    Ok(())
}

fn model_of(engine: &Engine) -> Option<&str> {
    match engine {
        Engine::Loaded { model, .. } | Engine::Unloaded { model } => Some(model),
        Engine::Leave { visit, .. } | Engine::Reset { visit, .. } => Some(&visit.model),
        _ => None,
    }
}

/// The lanes of a model, and who waits for them. Lanes have the numbers that the lock gave them.
#[derive(Default)]
struct Rest {
    /// Those that could be lent.
    free: BTreeSet<u32>,
    unsound: BTreeSet<u32>,
    granted: BTreeMap<u64, u32>,
    waiting: BTreeSet<u64>,
    /// The number of the first lane of the latest load, and how many that has.
    lanes: (u32, u32),
    /// How many have told the model to go and wait for that.
    going: u32,
}

impl Rest {
    fn engine(&mut self, engine: &Engine) {
        let first = self.lanes.0;
        match engine {
            Engine::Loaded { lanes, .. } => {
                // A lock gives each number once.
                let first = first + self.lanes.1;
                self.lanes = (first, *lanes);
                (self.free, self.unsound) = ((first..first + lanes).collect(), BTreeSet::new());
            }
            Engine::Unloaded { .. } => self.free.clear(),
            Engine::Leave { visit, how: Leave::Broken | Leave::Panicked, .. } => {
                self.unsound.insert(first + visit.lane);
                self.free.remove(&(first + visit.lane));
            }
            Engine::Reset { visit, rebuilt: true } => {
                self.unsound.remove(&(first + visit.lane));
                self.free.insert(first + visit.lane);
            }
            _ => {}
        }
    }

    fn lock(&mut self, event: &LockEvent) {
        match event {
            LockEvent::Enqueued { ask, .. } => _ = self.waiting.insert(ask.tag),
            LockEvent::Granted { grant, .. } => {
                self.waiting.remove(&grant.ask.tag);
                self.free.remove(&grant.lane.get());
                self.granted.insert(grant.ask.tag, grant.lane.get());
            }
            LockEvent::Released { grant } => {
                self.granted.remove(&grant.ask.tag);
                if !self.unsound.contains(&grant.lane.get()) {
                    self.free.insert(grant.lane.get());
                }
            }
            LockEvent::Left { ask, .. } => {
                self.waiting.remove(&ask.tag);
                self.free.extend(self.granted.remove(&ask.tag));
            }
            LockEvent::Refused { ask, .. } => _ = self.waiting.remove(&ask.tag),
            _ => {}
        }
    }
}

/// L8. Who is told that the lock is closed is followed by no grant, and when the service has stopped everything has.
pub(super) fn close(facts: &Facts<'_>) -> Verdict {
    let mut closed = BTreeSet::new();
    let mut is_over = false;
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::DrainOver => is_over = true,
            What::Lock(model, LockEvent::Refused { error: AcquireError::Closed, .. }) => _ = closed.insert(model),
            What::Lock(model, LockEvent::Granted { grant, .. }) if is_over || closed.contains(model) => {
                return object(at, format!("{model}: ticket {} was granted after the close", grant.ticket));
            }
            What::Lock(model, LockEvent::Released { grant }) if is_over => {
                return object(at, format!("{model}: lane {} came home after the end", grant.lane));
            }
            _ => {}
        }
    }
    Ok(())
}

/// L9. A lane whose engine broke or panicked is entered again only after it was rebuilt.
pub(super) fn quarantine(facts: &Facts<'_>) -> Verdict {
    let mut broken = BTreeSet::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Engine(Engine::Leave { visit, how: Leave::Broken | Leave::Panicked, .. }) => {
                broken.insert((&visit.model, visit.lane));
            }
            What::Engine(Engine::Reset { visit, rebuilt: true }) => {
                broken.remove(&(&visit.model, visit.lane));
            }
            What::Engine(Engine::Loaded { model, .. }) => broken.retain(|(of, _)| *of != model),
            What::Engine(Engine::Enter { visit, .. }) if broken.contains(&(&visit.model, visit.lane)) => {
                return object(at, format!("{visit:?} entered a lane that was not rebuilt after it broke"));
            }
            _ => {}
        }
    }
    Ok(())
}
