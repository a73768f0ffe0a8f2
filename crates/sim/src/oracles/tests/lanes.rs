//! Histories in which something is wrong with lanes and queues.

use std::time::Duration;

use backend_mock::What as Engine;
use model_locks::AcquireError;
use serving::LockEvent;

use super::{change, place, refused_by};
use crate::history::{Entry, What};

#[test]
fn a_panic_that_no_script_has() {
    refused_by("calm", |entries| {
        entries.insert(0, Entry { at: Duration::ZERO, what: What::Panic("index out of bounds".to_owned()) });
        Some(())
    });
}

#[test]
fn an_engine_that_is_entered_twice() {
    refused_by("exclusion", |entries| {
        let at = place(entries, |what| matches!(what, What::Engine(Engine::Enter { .. })))?;
        let What::Engine(Engine::Enter { visit, .. }) = entries[at].what.clone() else { return None };
        entries[at].what = What::Engine(Engine::Overlap { inside: visit.clone(), visit });
        Some(())
    });
}

#[test]
fn a_lane_that_is_lent_twice() {
    refused_by("exclusion", |entries| {
        let released = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Released { .. })))?;
        let What::Lock(model, _) = entries[released].what.clone() else { return None };
        let is_grant = |what: &What| matches!(what, What::Lock(of, LockEvent::Granted { .. }) if *of == model);
        place(&entries[released..], is_grant)?;
        entries.remove(released);
        Some(())
    });
}

#[test]
fn a_lane_that_is_lost() {
    refused_by("conservation", |entries| {
        let begun = place(entries, |what| matches!(what, What::DrainOver))?;
        change(&mut entries[begun..], |what| match what {
            What::View(models) => models.iter_mut().find_map(|model| model.lanes.pop()),
            _ => None,
        })
    });
}

/// Method: two who wait in one class change places.
#[test]
fn a_waiter_that_is_overtaken() {
    refused_by("order", |entries| {
        for at in 0..entries.len() {
            let What::Lock(model, LockEvent::Enqueued { ask, .. }) = entries[at].what.clone() else { continue };
            let next = entries[at + 1..].iter().take_while(|entry| {
                !matches!(&entry.what, What::Lock(of, LockEvent::Granted { .. } | LockEvent::Left { .. }) if *of == model)
            });
            let mut next = next.enumerate().filter_map(|(n, entry)| match &entry.what {
                What::Lock(of, LockEvent::Enqueued { ask: other, .. }) if *of == model && other.class == ask.class => {
                    Some((at + 1 + n, *other))
                }
                _ => None,
            });
            let Some((other_at, other)) = next.next() else { continue };
            let is_granted = |tag| {
                place(
                    entries,
                    |what| matches!(what, What::Lock(_, LockEvent::Granted { grant, .. }) if grant.ask.tag == tag),
                )
            };
            if is_granted(ask.tag).is_none() || is_granted(other.tag).is_none() {
                continue;
            }
            for (place, ask) in [(at, other), (other_at, ask)] {
                if let What::Lock(_, LockEvent::Enqueued { ask: there, .. }) = &mut entries[place].what {
                    *there = ask;
                }
            }
            return Some(());
        }
        None
    });
}

/// Grants of somebody of the highest class, over and over, at this place.
fn many_grants(entries: &mut Vec<Entry>, at: usize, model: &str, times: u64) -> Option<()> {
    let grant = entries.iter().find_map(|entry| match &entry.what {
        What::Lock(_, LockEvent::Granted { grant, .. }) if grant.ask.class.index() == 0 => Some(*grant),
        _ => None,
    })?;
    for n in 0..times {
        let mut grant = grant;
        grant.ask.tag = 1_000_000 + n;
        let (time, model) = (entries[at].at, model.to_owned());
        let granted = LockEvent::Granted { grant, waiting: 1 };
        entries.insert(at + 1, Entry { at: time, what: What::Lock(model.clone(), LockEvent::Released { grant }) });
        entries.insert(at + 1, Entry { at: time, what: What::Lock(model, granted) });
    }
    Some(())
}

fn starved(entries: &mut Vec<Entry>, times: u64) -> Option<()> {
    let is_low = |what: &What| matches!(what, What::Lock(_, LockEvent::Enqueued { ask, .. }) if ask.class.index() == 1);
    let at = place(entries, is_low)?;
    let What::Lock(model, _) = entries[at].what.clone() else { return None };
    many_grants(entries, at, &model, times)
}

#[test]
fn a_class_that_is_passed_over_once_too_often() {
    refused_by("bypass", |entries| starved(entries, 5));
}

#[test]
fn a_waiter_that_sees_more_grants_than_the_policy_allows() {
    refused_by("patience", |entries| starved(entries, 1_000));
}

#[test]
fn one_too_many_who_waits() {
    refused_by("bound", |entries| {
        let at = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Enqueued { .. })))?;
        for n in 0..65 {
            let mut again = entries[at].clone();
            if let What::Lock(_, LockEvent::Enqueued { ask, waiting }) = &mut again.what {
                ask.tag = 1_000_000 + n;
                *waiting += 1 + n as usize;
            }
            entries.insert(at + 1 + n as usize, again);
        }
        Some(())
    });
}

#[test]
fn a_refusal_for_want_of_room_while_there_is_room() {
    refused_by("bound", |entries| {
        let at = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Enqueued { .. })))?;
        let What::Lock(model, LockEvent::Enqueued { ask, waiting }) = entries[at].what.clone() else { return None };
        let error = AcquireError::QueueFull { waiting: 0, limit: 0 };
        entries[at].what = What::Lock(model, LockEvent::Refused { ask, error, waiting });
        Some(())
    });
}

#[test]
fn a_free_lane_beside_somebody_who_waits() {
    refused_by("rest", |entries| {
        // A grant to somebody who waited never came.
        let waited = |what: &What| matches!(what, What::Lock(_, LockEvent::Enqueued { .. }));
        let at = place(entries, waited)?;
        let What::Lock(model, LockEvent::Enqueued { .. }) = entries[at].what.clone() else { return None };
        let is_release = |what: &What| matches!(what, What::Lock(of, LockEvent::Released { .. }) if *of == model);
        let released = at + place(&entries[at..], is_release)?;
        let is_grant = |what: &What| matches!(what, What::Lock(of, LockEvent::Granted { .. }) if *of == model);
        let granted = released + place(&entries[released..], is_grant)?;
        (entries[granted].at == entries[released].at).then_some(())?;
        entries.remove(granted);
        Some(())
    });
}

#[test]
fn a_grant_after_the_close() {
    refused_by("close", |entries| {
        let grant = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Granted { .. })))?;
        let over = place(entries, |what| matches!(what, What::DrainOver))?;
        let late = Entry { at: entries[over].at, what: entries[grant].what.clone() };
        entries.insert(over + 1, late);
        Some(())
    });
}

#[test]
fn a_broken_lane_that_is_lent_as_it_is() {
    refused_by("quarantine", |entries| {
        let reset = place(entries, |what| matches!(what, What::Engine(Engine::Reset { rebuilt: true, .. })))?;
        let What::Engine(Engine::Reset { visit, .. }) = entries[reset].what.clone() else { return None };
        let again = |what: &What| {
            matches!(what, What::Engine(Engine::Enter { visit: other, .. })
                if (&other.model, other.lane) == (&visit.model, visit.lane))
        };
        place(&entries[reset..], again)?;
        entries.remove(reset);
        Some(())
    });
}

#[test]
fn somebody_who_overtakes_without_waiting() {
    refused_by("barging", |entries| starved(entries, 1));
}
