//! The end of the world: S8, L2, and that nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend_mock::What as Engine;
use serving::{Ended, LockEvent};

use super::{Verdict, object};
use crate::facts::{End, Facts};
use crate::history::What;
use crate::world::{Fault, Model};

/// Nothing panics but what the script says.
pub(super) fn calm(facts: &Facts<'_>) -> Verdict {
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Panic(message) if !message.contains("the script says that this call panics") => {
                return object(at, message.replace('\n', " "));
            }
            _ => {}
        }
    }
    Ok(())
}

/// L2. After the drain every lane that was loaded is home and sound, except those that were retired or let go.
pub(super) fn conservation(facts: &Facts<'_>) -> Verdict {
    let mut loaded: BTreeMap<&str, usize> = BTreeMap::new();
    let mut retired: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut is_over = false;
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Engine(Engine::Loaded { model, lanes }) => _ = loaded.insert(model, *lanes as usize),
            What::Engine(Engine::Unloaded { model }) if !is_over => {
                loaded.remove(&**model);
                retired.remove(&**model);
            }
            What::Engine(Engine::Reset { visit, rebuilt: false }) => {
                retired.entry(&visit.model).or_default().insert(visit.lane);
            }
            What::DrainOver => is_over = true,
            What::View(models) if is_over => {
                for model in models {
                    let id = model.id.as_str();
                    let gone = retired.get(id).map_or(0, BTreeSet::len);
                    let due = loaded.get(id).copied().unwrap_or(0) - gone;
                    let home = model.lanes.iter().filter(|lane| lane.state == "free").count();
                    if (home, model.lanes.len()) != (due, due) {
                        let states: Vec<_> = model.lanes.iter().map(|lane| lane.state).collect();
                        return object(at, format!("{id}: {due} lanes should be home, and there are {states:?}"));
                    }
                    if !model.waiting.is_empty() {
                        return object(at, format!("{id}: {} still wait", model.waiting.len()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// S8. Nobody new after the drain begins; nobody is ended before its time is over; then everything ends.
pub(super) fn drain(facts: &Facts<'_>) -> Verdict {
    let Some(begun) = facts.drain else {
        return object(facts.entries.len() - 1, "the server was never asked to stop");
    };
    let deadline = begun + Duration::from_millis(facts.world.drain_for);
    let stops = facts.world.models.iter().map(stop_max).max().unwrap_or_default();
    let mut is_draining = false;
    let mut known = BTreeSet::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::DrainBegins => is_draining = true,
            What::Lock(model, LockEvent::Enqueued { ask, .. }) => {
                if is_draining {
                    return object(at, format!("{model}: #{} begins to wait while the server stops", ask.tag));
                }
                known.insert(ask.tag);
            }
            What::Lock(model, LockEvent::Granted { grant, .. }) if is_draining && !known.contains(&grant.ask.tag) => {
                return object(at, format!("{model}: #{} comes and is granted while the server stops", grant.ask.tag));
            }
            What::Outcome(outcome) if outcome.ended == Ended::ShutDown && entry.at < deadline => {
                return object(at, format!("{} is ended before the time to drain is over", outcome.request_id));
            }
            What::DrainOver if entry.at > deadline + stops => {
                return object(at, format!("the server has taken {:?} to stop", entry.at - begun));
            }
            _ => {}
        }
    }
    late_comers(facts, begun)
}

/// Who asks while the server stops is told so.
fn late_comers(facts: &Facts<'_>, begun: Duration) -> Verdict {
    for case in facts.cases.values().filter(|case| facts.at(case.sent) > begun) {
        match case.end() {
            Some((at, End::Refused(head))) if head.code.as_deref() != Some("shutting_down") => {
                return object(at, format!("{} came while the server stopped and got {head:?}", case.id));
            }
            Some((at, End::Done(..))) => return object(at, format!("{} came too late and was served", case.id)),
            _ => {}
        }
    }
    Ok(())
}

/// How long an engine of this model may take to stop, repairs of its lanes included.
fn stop_max(model: &Model) -> Duration {
    let ignored = model.faults.values().map(|fault| if let Fault::IgnoreCancel(tokens) = fault { *tokens } else { 0 });
    let ignored = u64::from(ignored.max().unwrap_or(0)) * model.token_time;
    Duration::from_millis(model.stop_time + ignored + 10)
}

/// After the end no task is left, and there is an end.
pub(super) fn nothing_left(facts: &Facts<'_>) -> Verdict {
    let last = facts.entries.len() - 1;
    match &facts.entries[last].what {
        What::Over(0) => Ok(()),
        What::Over(tasks) => object(last, format!("{tasks} tasks are left")),
        _ => object(last, "the world did not come to its end"),
    }
}
