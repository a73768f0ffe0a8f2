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

/// L6. Whenever time goes on, nobody waits beside a lane that is free and sound.
pub(super) fn rest(facts: &Facts<'_>) -> Verdict {
    // By model: the lanes that could be lent, and how many wait.
    let mut free: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let mut granted: BTreeMap<(&str, u64), u32> = BTreeMap::new();
    let mut unsound: BTreeSet<(&str, u32)> = BTreeSet::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        if at > 0 && entry.at > facts.at(at - 1) {
            for (model, lanes) in &free {
                let n = waiting.get(model).map_or(0, BTreeSet::len);
                if n > 0 && !lanes.is_empty() {
                    return object(at - 1, format!("{model}: {n} wait and the lanes {lanes:?} are free"));
                }
            }
        }
        match &entry.what {
            What::Engine(Engine::Loaded { model, lanes }) => {
                free.insert(model, (0..*lanes).collect());
            }
            What::Engine(Engine::Leave { visit, how: Leave::Broken | Leave::Panicked, .. }) => {
                unsound.insert((&visit.model, visit.lane));
                free.entry(&visit.model).or_default().remove(&visit.lane);
            }
            What::Engine(Engine::Reset { visit, rebuilt: true }) => {
                unsound.remove(&(&*visit.model, visit.lane));
                free.entry(&visit.model).or_default().insert(visit.lane);
            }
            What::Lock(model, event) => {
                let (model, free) = (model.as_str(), free.entry(model).or_default());
                let waiting = waiting.entry(model).or_default();
                match event {
                    LockEvent::Enqueued { ask, .. } => _ = waiting.insert(ask.tag),
                    LockEvent::Granted { grant, .. } => {
                        waiting.remove(&grant.ask.tag);
                        free.remove(&grant.lane.get());
                        granted.insert((model, grant.ask.tag), grant.lane.get());
                    }
                    LockEvent::Released { grant } => {
                        granted.remove(&(model, grant.ask.tag));
                        if !unsound.contains(&(model, grant.lane.get())) {
                            free.insert(grant.lane.get());
                        }
                    }
                    LockEvent::Left { ask, .. } => {
                        waiting.remove(&ask.tag);
                        free.extend(granted.remove(&(model, ask.tag)));
                    }
                    LockEvent::Refused { ask, .. } => _ = waiting.remove(&ask.tag),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(())
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
            What::Engine(Engine::Enter { visit, .. }) if broken.contains(&(&visit.model, visit.lane)) => {
                return object(at, format!("{visit:?} entered a lane that was not rebuilt after it broke"));
            }
            _ => {}
        }
    }
    Ok(())
}
