//! Models that were there and cannot be loaded again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend_mock::What as Engine;
use serving::LockEvent;

use super::{Verdict, object};
use crate::facts::Facts;
use crate::history::{Head, What};

/// Timers are as coarse as this.
const TICK: Duration = Duration::from_millis(1);

/// How long after so many failures in a row, at least one, the next load begins: 1 s, then twice as long, up to a minute.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << (failures - 1).min(6)).min(Duration::from_secs(60))
}

/// Who waits for a load that fails is gone from the queue before time goes on, whoever asks in the pause is told when to come
/// back, and the next load begins when the pause is over; earlier only where somebody wants it loaded.
pub(super) fn faltering(facts: &Facts<'_>) -> Verdict {
    let mut models: BTreeMap<&str, Loads> = BTreeMap::new();
    let mut is_draining = false;
    for (at, entry) in facts.entries.iter().enumerate() {
        let now = entry.at;
        if at > 0 && now > facts.at(at - 1) && !is_draining {
            for (model, loads) in &mut models {
                loads.rest(now).or_else(|why| object(at - 1, format!("{model}: {why}")))?;
            }
        }
        let verdict = match &entry.what {
            What::DrainBegins => {
                is_draining = true;
                Ok(())
            }
            What::Gone(model, _) => {
                models.entry(model).or_default().wanted = Some(now);
                Ok(())
            }
            What::Engine(Engine::Loaded { model, .. }) => {
                let loads = models.entry(model).or_default();
                (loads.was_there, loads.failures) = (true, 0);
                Ok(())
            }
            What::Engine(Engine::LoadFailed { model }) => {
                models.entry(model).or_default().fail(now);
                Ok(())
            }
            What::Engine(Engine::LoadStarted { model }) => models.entry(model).or_default().begin(now),
            What::Lock(model, event) => models.entry(model).or_default().lock(event),
            What::Head(id, head) if head.code.as_deref() == Some("model_unavailable") => {
                // A tier may have meant another model.
                let case = facts.cases.get(id.as_str()).filter(|case| !facts.world.tiers.contains_key(&case.ask.model));
                let model = case.and_then(|case| facts.model_named(&case.ask.model));
                model.and_then(|model| models.get(model.name.as_str())).map_or(Ok(()), |loads| loads.told(head))
            }
            _ => Ok(()),
        };
        verdict.or_else(|why| object(at, why))?;
    }
    Ok(())
}

/// What is known of the loads of one model.
#[derive(Default)]
struct Loads {
    was_there: bool,
    /// How many have failed since the last that succeeded.
    failures: u32,
    /// When the pause began in which it is, and how long it is.
    failed: Option<(Duration, Duration)>,
    /// When somebody who had told it to go last heard that it is gone, and may have told it to come.
    wanted: Option<Duration>,
    waiting: BTreeSet<u64>,
    /// Those of them for whom the load was that failed.
    in_vain: BTreeSet<u64>,
}

impl Loads {
    /// One that was never there is no matter of this oracle.
    fn fail(&mut self, now: Duration) {
        if self.was_there {
            self.failures += 1;
            self.failed = Some((now, pause(self.failures)));
            self.in_vain.clone_from(&self.waiting);
        }
    }

    fn begin(&mut self, now: Duration) -> Result<(), String> {
        if self.wanted == Some(now) {
            // Who has not heard by then waits for this one.
            self.in_vain.clear();
        }
        match self.failed.take() {
            Some((failed, pause)) if now < failed + pause && self.wanted != Some(now) => {
                Err(format!("a load begins at {now:?}, after one that failed at {failed:?}, and nobody wanted it"))
            }
            _ => Ok(()),
        }
    }

    /// What must hold whenever time goes on.
    fn rest(&mut self, now: Duration) -> Result<(), String> {
        if let Some(tag) = self.in_vain.first() {
            return Err(format!("#{tag} waits for a load that has failed"));
        }
        match self.failed {
            Some((failed, pause)) if now > failed + pause + TICK => Err(format!(
                "its load failed at {failed:?}, the {}. in a row, and it is not tried again",
                self.failures
            )),
            _ => Ok(()),
        }
    }

    fn lock(&mut self, event: &LockEvent) -> Result<(), String> {
        match event {
            LockEvent::Enqueued { ask, .. } => {
                self.waiting.insert(ask.tag);
                if self.failed.is_some() {
                    return Err(format!("#{} is let wait for a load that has not begun", ask.tag));
                }
            }
            LockEvent::Granted { grant, .. } => self.gone(grant.ask.tag),
            LockEvent::Left { ask, .. } | LockEvent::Refused { ask, .. } => self.gone(ask.tag),
            _ => {}
        }
        Ok(())
    }

    fn gone(&mut self, tag: u64) {
        self.waiting.remove(&tag);
        self.in_vain.remove(&tag);
    }

    /// In the pause, and for one that was never there.
    fn told(&self, head: &Head) -> Result<(), String> {
        match (head.retry_after, self.failed) {
            (Some(_), _) if !self.was_there => {
                Err("asking again is recommended, and the model will never be there".to_owned())
            }
            (None, Some(_)) => Err("it is not said when to come back".to_owned()),
            (Some(seconds), Some((_, pause))) if !(1..=pause.as_secs()).contains(&seconds) => {
                Err(format!("it is said to come back after {seconds} s, and the pause is {pause:?}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Loads;
    use crate::history::Head;

    /// There is hardly a history in which only such a model is unavailable.
    #[test]
    fn nobody_is_told_to_come_back_to_a_model_that_will_never_be_there() {
        let told = |was_there, retry_after| {
            let head = Head { retry_after, ..Head::default() };
            Loads { was_there, ..Loads::default() }.told(&head).is_ok()
        };
        let rows = [(true, Some(1)), (true, None), (false, None), (false, Some(1))];
        assert_eq!(rows.map(|(was_there, retry_after)| told(was_there, retry_after)), [true, true, true, false]);
    }
}
