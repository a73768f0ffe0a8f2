//! Requests: S2, S4, S5, S6, S7 and S9.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend_mock::{Leave, What as Engine};
use serving::{Ended, LockEvent};

use super::text::prompt_tokens;
use super::{Verdict, object};
use crate::facts::{Case, End, Facts};
use crate::history::What;
use crate::world::{Fault, Model};

/// Timers are as coarse as this.
const TICK: Duration = Duration::from_millis(1);

/// S2. Every request ends once: for its client, and in the service's book.
pub(super) fn one_outcome(facts: &Facts<'_>) -> Verdict {
    let mut open = BTreeMap::new();
    let mut ended = BTreeSet::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Lock(_, LockEvent::Enqueued { ask, .. } | LockEvent::Refused { ask, .. }) => {
                open.entry(ask.tag).or_insert(at);
            }
            What::Lock(_, LockEvent::Granted { grant, .. }) => _ = open.entry(grant.ask.tag).or_insert(at),
            What::Outcome(outcome) if !ended.insert(outcome.tag) => {
                return object(at, format!("{} has a second outcome", outcome.request_id));
            }
            _ => {}
        }
    }
    if let Some((tag, at)) = open.iter().find(|(tag, _)| !ended.contains(tag)) {
        return object(*at, format!("#{tag} has no outcome"));
    }
    for case in facts.cases.values() {
        match &case.ends[..] {
            [] => return object(case.sent, format!("{} has no end for its client", case.id)),
            [(at, end)] if *at < case.last => {
                return object(case.last, format!("{} goes on after it ended with {end:?}", case.id));
            }
            [_] => {}
            [_, (at, end), ..] => return object(*at, format!("{} ends a second time: {end:?}", case.id)),
        }
    }
    Ok(())
}

/// S2. What the client saw is what the service wrote.
pub(super) fn one_story(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let Some((at, end)) = case.end() else { continue };
        // A connection may be cut for one that did not read; or it ends in the instant in which somebody wanted to use it
        // again, as connections do that are kept open.
        let is_late = facts.stopped.is_some_and(|stopped| facts.at(case.sent) >= stopped);
        let may_cut = case.ask.stall.is_some() || case.ask.pace > 0 || is_late;
        if matches!(end, End::Cut(_)) && !may_cut {
            return object(at, format!("{} reads all it gets and is cut off: {end:?}", case.id));
        }
        let code = match end {
            End::Refused(head) => head.code.as_deref().unwrap_or("no code"),
            End::Broke(code) => code,
            _ => "",
        };
        let Some((_, outcome)) = case.outcome() else {
            if matches!(end, End::Done(..) | End::Broke(_)) {
                return object(at, format!("{} has an answer that is written nowhere", case.id));
            }
            continue;
        };
        let agrees = match outcome.ended {
            _ if matches!(end, End::Left | End::Cut(_)) => true,
            Ended::Finished(_) => matches!(end, End::Done(..)),
            Ended::Failed => code == "backend_error",
            Ended::Stalled => code == "client_stalled",
            Ended::ShutDown => code == "shutting_down",
            Ended::Refused => matches!(end, End::Refused(_)),
            Ended::Cancelled => false,
        };
        if !agrees {
            return object(at, format!("{} sees {end:?}, and the service has written {outcome:?}", case.id));
        }
    }
    Ok(())
}

/// S2. Who hears the end of its request finds the outcome written and its lane home.
pub(super) fn told_last(facts: &Facts<'_>) -> Verdict {
    let mut written = BTreeSet::new();
    let mut held: BTreeMap<u64, &str> = BTreeMap::new();
    let tags: BTreeMap<&str, u64> =
        facts.cases.values().filter_map(|case| Some((case.id, case.outcome()?.1.tag))).collect();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Outcome(outcome) => _ = written.insert(outcome.tag),
            What::Lock(model, LockEvent::Granted { grant, .. }) => _ = held.insert(grant.ask.tag, model),
            What::Lock(_, LockEvent::Released { grant }) => _ = held.remove(&grant.ask.tag),
            What::Lock(_, LockEvent::Left { ask, .. }) => _ = held.remove(&ask.tag),
            What::Done(id, ..) | What::Broke(id, _) => {
                let Some(tag) = tags.get(id.as_str()) else { continue };
                if !written.contains(tag) {
                    return object(at, format!("{id} hears the end before it is written"));
                }
                if let Some(model) = held.get(tag) {
                    return object(at, format!("{id} hears the end and still has its lane of {model}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// S4. Who leaves while it waits is gone at once; who leaves its engine frees it within what the script says.
pub(super) fn leaving(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let Some(left) = case.left() else { continue };
        let when = facts.at(left);
        let Some((at, outcome)) = case.outcome() else { continue };
        let Some(model) = facts.world.model(&outcome.model) else { continue };
        // It may have been at its end already, or broken, or ended by something else.
        let within = match case.enter {
            Some(_) => stop_max(model) + TICK,
            None => Duration::ZERO,
        };
        if facts.at(at) > when + within {
            return object(at, format!("{} left at {when:?} and ends only now", case.id));
        }
        if let Some((entered, _)) = case.enter.filter(|(entered, _)| facts.at(*entered) > when) {
            return object(entered, format!("{} left at {when:?} and enters an engine", case.id));
        }
        if let Some((at, _, how)) = case.leave.filter(|(at, ..)| facts.at(*at) > when + within) {
            return object(at, format!("{} left at {when:?} and its engine stops now: {how:?}", case.id));
        }
    }
    Ok(())
}

fn stop_max(model: &Model) -> Duration {
    let ignored = model.faults.values().map(|fault| if let Fault::IgnoreCancel(tokens) = fault { *tokens } else { 0 });
    Duration::from_millis(model.stop_time + u64::from(ignored.max().unwrap_or(0)) * model.token_time)
}

/// S5. Who has a lane is in the engine in the same instant: nothing of another model stands in between. And its lane goes
/// home in the instant in which the engine has stopped.
pub(super) fn parallel(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let (Some((at, outcome)), Some((entered, _))) = (case.outcome(), case.enter) else { continue };
        let Some(granted) = outcome.granted else {
            return object(entered, format!("{} entered an engine without a lane", case.id));
        };
        if facts.at(entered) != granted {
            return object(entered, format!("{} has had its lane since {granted:?} and enters only now", case.id));
        }
        match case.leave {
            Some((left, ..)) if left > at => {
                return object(at, format!("{}: the hold is over before the engine has stopped", case.id));
            }
            None => return object(at, format!("{}: the hold is over and its engine never stopped", case.id)),
            Some((left, ..)) if outcome.ended != Ended::Stalled && facts.at(at) != facts.at(left) => {
                // An engine that is done waits for nobody, except for a client that still has to read.
                if case.ask.pace == 0 && case.ask.stall.is_none() {
                    return object(at, format!("{}: its engine stopped at {:?}", case.id, facts.at(left)));
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// S6. The control plane answers at once, however busy the models are.
pub(super) fn control_plane(facts: &Facts<'_>) -> Verdict {
    for (at, entry) in facts.entries.iter().enumerate() {
        if let What::Look(path, status, took) = &entry.what {
            let is_answer = *status == 200 || (path == "/ready" && *status == 503);
            if !is_answer || !took.is_zero() {
                return object(at, format!("{path} was answered with {status} after {took:?}"));
            }
        }
    }
    Ok(())
}

/// S7. Who fails has had a failure in its own engine; who had one fails, unless it ended in that instant by itself; and a
/// model is unavailable only after a load or the repair of a lane has failed.
pub(super) fn containment(facts: &Facts<'_>) -> Verdict {
    let mut gone = BTreeSet::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Engine(Engine::LoadFailed { model }) => _ = gone.insert(&**model),
            What::Engine(Engine::Reset { visit, rebuilt: false }) => _ = gone.insert(&*visit.model),
            What::Head(id, head) if head.code.as_deref() == Some("model_unavailable") => {
                let case = facts.cases.get(id.as_str());
                let model = case.and_then(|case| facts.model_named(&case.ask.model));
                if model.is_some_and(|model| !gone.contains(model.name.as_str())) {
                    return object(
                        at,
                        format!("{id} is told that its model is unavailable, and nothing happened to it"),
                    );
                }
            }
            _ => {}
        }
    }
    for case in facts.cases.values() {
        let Some((at, outcome)) = case.outcome() else { continue };
        let failed = match case.leave {
            Some((_, _, Leave::Failed | Leave::Broken | Leave::Panicked)) => true,
            Some(_) | None => false,
        };
        if (outcome.ended == Ended::Failed) != failed && !ended_by_itself(outcome.ended, failed) {
            return object(at, format!("{}: {outcome:?}, and its engine: {:?}", case.id, case.leave));
        }
    }
    not_reset(facts)
}

/// A request can leave, stall or be ended in the instant in which its engine fails.
fn ended_by_itself(ended: Ended, failed: bool) -> bool {
    failed && matches!(ended, Ended::Cancelled | Ended::Stalled | Ended::ShutDown)
}

/// A failure that the script does not have is that of somebody before.
fn not_reset(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let (Some((_, visit)), Some((at, _, how))) = (case.enter, case.leave) else { continue };
        let scripted = facts.world.model(&visit.model).and_then(|model| model.faults.get(&visit.call));
        if matches!(how, Leave::Failed | Leave::Broken | Leave::Panicked) && scripted.is_none() {
            return object(at, format!("{} fails for what happened before it: {visit:?} {how:?}", case.id));
        }
    }
    Ok(())
}

/// S9. Every bound holds, and whoever meets one is told which.
pub(super) fn bounds(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        refusal(facts, case)?;
        let Some((at, outcome)) = case.outcome() else { continue };
        let most = facts.world.bounds.queue_timeout;
        let most = case.ask.queue_timeout.map_or(most, |own| own.min(most));
        if outcome.waited() > Duration::from_millis(most) + TICK {
            return object(at, format!("{} waited {:?} of at most {most} ms", case.id, outcome.waited()));
        }
        let reads = case.ask.pace == 0 && case.ask.stall.is_none();
        if outcome.ended == Ended::Stalled && reads {
            return object(at, format!("{} reads all it gets and is said to have stalled", case.id));
        }
    }
    Ok(())
}

/// What a refusal says is so.
fn refusal(facts: &Facts<'_>, case: &Case<'_>) -> Verdict {
    let Some((at, End::Refused(head))) = case.end() else { return Ok(()) };
    let code = head.code.as_deref().unwrap_or("no code");
    let model = facts.model_named(&case.ask.model);
    let is_tier = ["fast", "medium", "deep"].contains(&case.ask.model.as_str());
    let is_long = |model: &Model| prompt_tokens(case.ask, case.id, model) >= model.context_len.into();
    let (status, holds) = match code {
        "model_not_found" => (404, model.is_none()),
        // A tier may have fallen back to another model.
        "context_length_exceeded" => (400, is_tier || model.is_some_and(is_long)),
        "queue_full" => (429, head.retry_after.is_some_and(|seconds| seconds >= 1)),
        "queue_timeout" => (503, head.retry_after.is_some_and(|seconds| seconds >= 1)),
        "shutting_down" => (503, facts.drain.is_some_and(|begun| begun <= facts.at(at))),
        "model_unavailable" => (503, true),
        "backend_error" => (500, case.leave.is_some()),
        // One that was given in pieces nobody read, and that could not even begin.
        "client_stalled" => (408, case.ask.stall.is_some() || case.ask.pace > 0),
        _ => (0, false),
    };
    if head.status != status || !holds {
        return object(at, format!("{} is refused with {head:?}", case.id));
    }
    Ok(())
}
