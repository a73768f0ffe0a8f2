//! Who is next: L3, L4, L5, L10, and how long a wait can be.

use std::collections::BTreeMap;

use model_locks::{AcquireError, Policy};
use serving::{Class, LockEvent};

use super::{Objection, Verdict, object, replay};
use crate::facts::Facts;

/// L3. Within a class, whoever waits longest is granted first.
pub(super) fn order(facts: &Facts<'_>) -> Verdict {
    replay::each(facts, |at, model, lock, event| {
        let LockEvent::Granted { grant, .. } = event else { return Ok(()) };
        let (tag, class) = (grant.ask.tag, grant.ask.class);
        match lock.first(class) {
            Some(first) if lock.is_waiting(tag) && first != tag => {
                object(at, format!("{model}: #{tag} is granted a lane before #{first}, which waits longer"))
            }
            _ => Ok(()),
        }
    })
}

/// L4. The head of a class is passed over by higher ones at most so often in a row.
pub(super) fn bypass(facts: &Facts<'_>) -> Verdict {
    let most = Policy::default().bypass_max;
    let mut passed: BTreeMap<(&str, Class), u32> = BTreeMap::new();
    replay::each(facts, |at, model, lock, event| {
        for class in Class::ALL {
            if !lock.heads().any(|head| head == class) {
                passed.insert((model, class), 0);
            }
        }
        let LockEvent::Granted { grant, .. } = event else { return Ok(()) };
        passed.insert((model, grant.ask.class), 0);
        for class in lock.heads().filter(|class| *class > grant.ask.class) {
            let times = passed.entry((model, class)).or_default();
            *times += 1;
            if *times > most[class.index()] {
                return object(at, format!("{model}: {class:?} is passed over for the {times}th time in a row"));
            }
        }
        Ok(())
    })
}

/// L5. No more wait than may, nobody is refused while there is room, and the lock counts as we do.
pub(super) fn bound(facts: &Facts<'_>) -> Verdict {
    replay::each(facts, |at, model, lock, event| {
        let most = facts.world.model(model).map_or(0, |model| model.queue_max);
        let n = lock.waiting.len();
        match event {
            LockEvent::Enqueued { .. } if n >= most => {
                object(at, format!("{model}: one more begins to wait while {n} of at most {most} do"))
            }
            LockEvent::Enqueued { waiting, .. } if *waiting != n + 1 => {
                object(at, format!("{model}: the lock counts {waiting} who wait, and there are {}", n + 1))
            }
            LockEvent::Refused { error: AcquireError::QueueFull { .. }, .. } if n != most => {
                object(at, format!("{model}: refused as full while {n} of at most {most} wait"))
            }
            _ => Ok(()),
        }
    })
}

/// L10. Nobody gets a lane without waiting while somebody waits.
pub(super) fn barging(facts: &Facts<'_>) -> Verdict {
    replay::each(facts, |at, model, lock, event| match event {
        LockEvent::Granted { grant, .. } if !lock.waiting.is_empty() && !lock.is_waiting(grant.ask.tag) => {
            object(at, format!("{model}: #{} overtakes {} who wait", grant.ask.tag, lock.waiting.len()))
        }
        _ => Ok(()),
    })
}

/// Nobody waits for more grants to others than the policy implies, given who was there first.
pub(super) fn patience(facts: &Facts<'_>) -> Verdict {
    // By model and tag: grants since it began to wait, and how many there may be.
    let mut waits: BTreeMap<(&str, u64), (u64, u64)> = BTreeMap::new();
    replay::each(facts, |at, model, lock, event| {
        match event {
            LockEvent::Enqueued { ask, .. } => {
                let ahead = lock.waiting.iter().filter(|(_, class)| *class == ask.class).count() as u64;
                waits.insert((model, ask.tag), (0, grants_max(ask.class, ahead)));
            }
            LockEvent::Granted { grant, .. } => {
                waits.remove(&(model, grant.ask.tag));
                for ((_, tag), (grants, most)) in waits.iter_mut().filter(|((of, _), _)| *of == model) {
                    *grants += 1;
                    if grants >= most {
                        return object(at, format!("{model}: #{tag} has seen {grants} grants to others since it came"));
                    }
                }
            }
            LockEvent::Left { ask, .. } | LockEvent::Refused { ask, .. } => {
                waits.remove(&(model, ask.tag));
            }
            _ => {}
        }
        Ok::<_, Objection>(())
    })
}

/// Grants until one is served with so many of its class ahead of it, its own included. The documentation of
/// `Policy::bypass_max` has the shares: of the lowest class one grant in `b + 1`, of the middle one in `k + 2`; the highest
/// yields to each of the others as often as they are due.
fn grants_max(class: Class, ahead: u64) -> u64 {
    let [_, k, b] = Policy::default().bypass_max.map(u64::from);
    let own = ahead + 1;
    match class {
        Class::Background => own * (b + 1),
        Class::Normal => own * (k + 2),
        Class::Interactive => {
            let normal = own / k + 1;
            own + normal + (own + normal) / b + 1
        }
    }
}
