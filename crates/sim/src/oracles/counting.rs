//! Whatever is counted or shown equals what happened.

use std::collections::{BTreeMap, BTreeSet};

use backend_mock::Leave;
use serving::{Ended, LockEvent, ModelView, Outcome};

use super::{Verdict, object, replay};
use crate::facts::Facts;
use crate::history::What;

/// Tokens, tickets and waits are the same for the engine, the service and the client.
pub(super) fn counters(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let Some((at, outcome)) = case.outcome() else { continue };
        if let Some((_, tokens, how)) = case.leave {
            let finished = matches!(how, Leave::Finished(_)) && matches!(outcome.ended, Ended::Finished(_));
            if outcome.tokens > tokens || (finished && outcome.tokens != tokens) {
                return object(at, format!("{}: {} tokens written, {tokens} made", case.id, outcome.tokens));
            }
        }
        if let Some((at, head)) = case.head.filter(|(_, head)| head.status == 200) {
            let waited = u64::try_from(outcome.waited().as_millis()).ok();
            if (head.ticket, head.wait, head.model.as_deref()) != (outcome.ticket, waited, Some(&outcome.model)) {
                return object(at, format!("{}: the client is told {head:?}, and it was {outcome:?}", case.id));
            }
        }
    }
    Ok(())
}

/// What the service shows of its models is what has happened by then.
pub(super) fn views(facts: &Facts<'_>) -> Verdict {
    let ids: BTreeMap<u64, &str> = outcomes(facts, facts.entries.len()).map(|o| (o.tag, &*o.request_id)).collect();
    for (at, entry) in facts.entries.iter().enumerate() {
        let What::View(models) = &entry.what else { continue };
        let locks = replay::locks_at(facts, at);
        for model in models {
            let shown: BTreeSet<&str> = model.waiting.iter().map(|waiter| &*waiter.request_id).collect();
            let waiting = locks.get(model.id.as_str()).map(|lock| lock.waiting.iter());
            let waiting: BTreeSet<&str> =
                waiting.into_iter().flatten().filter_map(|(tag, _)| ids.get(tag)).copied().collect();
            if shown != waiting {
                return object(at, format!("{}: {shown:?} are shown to wait, and {waiting:?} do", model.id));
            }
            if let Err(why) = totals(facts, at, model) {
                return object(at, format!("{}: {why}", model.id));
            }
        }
    }
    Ok(())
}

/// The grants that are counted, and the holds that are remembered.
fn totals(facts: &Facts<'_>, at: usize, model: &ModelView) -> Result<(), String> {
    let is_grant = |what: &What| matches!(what, What::Lock(id, LockEvent::Granted { .. }) if *id == model.id);
    let grants = facts.entries[..at].iter().filter(|entry| is_grant(&entry.what)).count() as u64;
    if model.granted_total != grants {
        return Err(format!("{} grants are counted, and there were {grants}", model.granted_total));
    }
    let held = outcomes(facts, at).filter(|outcome| outcome.model == model.id && outcome.ticket.is_some());
    if !model.history.iter().eq(held) {
        return Err("the history that is shown is not what happened".to_owned());
    }
    Ok(())
}

fn outcomes<'a>(facts: &Facts<'a>, before: usize) -> impl Iterator<Item = &'a Outcome> {
    facts.entries[..before].iter().filter_map(|entry| match &entry.what {
        What::Outcome(outcome) => Some(&**outcome),
        _ => None,
    })
}
