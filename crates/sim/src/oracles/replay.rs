//! A lock as its events tell it: who waits in which order, and who holds what.

use std::collections::BTreeMap;

use serving::{Class, LockEvent};

use crate::facts::Facts;
use crate::history::What;

/// One lock at one moment of the history.
#[derive(Default)]
pub(super) struct Lock {
    /// Tags and classes, in the order of arrival.
    pub(super) waiting: Vec<(u64, Class)>,
    /// The tag of whoever has a lane, by the lane.
    pub(super) held: BTreeMap<u32, u64>,
}

impl Lock {
    pub(super) fn is_waiting(&self, tag: u64) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == tag)
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(|class| self.waiting.iter().any(|(_, waiting)| waiting == class))
    }

    pub(super) fn first(&self, class: Class) -> Option<u64> {
        self.waiting.iter().find(|(_, waiting)| *waiting == class).map(|(tag, _)| *tag)
    }

    fn step(&mut self, event: &LockEvent) {
        match event {
            LockEvent::Enqueued { ask, .. } => self.waiting.push((ask.tag, ask.class)),
            LockEvent::Granted { grant, .. } => {
                self.forget(grant.ask.tag);
                self.held.insert(grant.lane.get(), grant.ask.tag);
            }
            LockEvent::Released { grant } => {
                self.held.remove(&grant.lane.get());
            }
            LockEvent::Left { ask, .. } => {
                self.forget(ask.tag);
                // It may have been granted a lane that it never claimed.
                self.held.retain(|_, tag| *tag != ask.tag);
            }
            LockEvent::Refused { ask, .. } => self.forget(ask.tag),
            _ => {}
        }
    }

    fn forget(&mut self, tag: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != tag);
    }
}

/// Goes through the events of all locks; `look` sees each lock as it was before the event.
pub(super) fn each<'a, E>(
    facts: &Facts<'a>,
    mut look: impl FnMut(usize, &'a str, &Lock, &'a LockEvent) -> Result<(), E>,
) -> Result<(), E> {
    let mut locks: BTreeMap<&str, Lock> = BTreeMap::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        if let What::Lock(model, event) = &entry.what {
            let lock = locks.entry(model).or_default();
            look(at, model, lock, event)?;
            lock.step(event);
        }
    }
    Ok(())
}

/// The locks just before this place.
pub(super) fn locks_at<'a>(facts: &Facts<'a>, place: usize) -> BTreeMap<&'a str, Lock> {
    let mut locks: BTreeMap<&str, Lock> = BTreeMap::new();
    for entry in &facts.entries[..place] {
        if let What::Lock(model, event) = &entry.what {
            locks.entry(model).or_default().step(event);
        }
    }
    locks
}
