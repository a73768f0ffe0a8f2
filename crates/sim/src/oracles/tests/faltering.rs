//! Histories in which a load that failed is kept from those who wait, or not tried again.

use std::time::Duration;

use backend_mock::What as Engine;
use serving::LockEvent;

use super::{place, refused_by};
use crate::history::{Entry, What};

/// Where a load fails of a model that was there, before the server is asked to stop; and of which model.
fn failed(entries: &[Entry]) -> Option<(usize, String)> {
    let begun = place(entries, |what| matches!(what, What::DrainBegins))?;
    entries[..begun].iter().enumerate().find_map(|(at, entry)| {
        let What::Engine(Engine::LoadFailed { model }) = &entry.what else { return None };
        let was_there = |what: &What| matches!(what, What::Engine(Engine::Loaded { model: of, .. }) if of == model);
        place(&entries[..at], was_there).map(|_| (at, model.to_string()))
    })
}

/// Where the load begins that comes after that, if the server is not asked to stop before.
fn next_load(entries: &[Entry], at: usize, model: &str) -> Option<usize> {
    let is_load = |what: &What| matches!(what, What::Engine(Engine::LoadStarted { model: of }) if **of == *model);
    let load = at + place(&entries[at..], is_load)?;
    let begun = place(entries, |what| matches!(what, What::DrainBegins))?;
    (load < begun).then_some(load)
}

/// Moves an entry behind the first that comes so much later.
fn later(entries: &mut Vec<Entry>, from: usize, by: Duration) -> Option<()> {
    let next = from + entries[from..].iter().position(|entry| entry.at > entries[from].at + by)?;
    let at = entries[next].at;
    let late = entries.remove(from);
    entries.insert(next, Entry { at, ..late });
    Some(())
}

#[test]
fn one_who_waits_and_is_not_told() {
    refused_by("faltering", |entries| {
        let (at, model) = failed(entries)?;
        let left = |what: &What| matches!(what, What::Lock(of, LockEvent::Left { .. }) if *of == model);
        let left = at + place(&entries[at..], left)?;
        (entries[left].at == entries[at].at).then_some(())?;
        later(entries, left, Duration::ZERO)
    });
}

#[test]
fn a_load_that_is_not_tried_again() {
    refused_by("faltering", |entries| {
        let (at, model) = failed(entries)?;
        let load = next_load(entries, at, &model)?;
        // Nobody wanted it earlier, which would not have been too late.
        (entries[load].at >= entries[at].at + Duration::from_secs(1)).then_some(())?;
        later(entries, load, Duration::from_millis(2))
    });
}

#[test]
fn a_load_that_is_tried_again_too_early() {
    refused_by("faltering", |entries| {
        let (at, model) = failed(entries)?;
        let load = next_load(entries, at, &model)?;
        let early = at + 1 + entries[at + 1..load].iter().position(|entry| entry.at > entries[at].at)?;
        (entries[early].at < entries[load].at).then_some(())?;
        let moved = entries.remove(load);
        entries.insert(early, Entry { at: entries[early].at, ..moved });
        Some(())
    });
}

/// Method: somebody's place in a queue, copied into the pause of a model whose load has failed.
#[test]
fn one_who_is_let_wait_in_the_pause() {
    refused_by("faltering", |entries| {
        let (at, model) = failed(entries)?;
        let load = next_load(entries, at, &model)?;
        let enqueued = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Enqueued { .. })))?;
        let What::Lock(_, event) = entries[enqueued].what.clone() else { return None };
        entries.insert(load, Entry { at: entries[load].at, what: What::Lock(model, event) });
        Some(())
    });
}

#[test]
fn one_who_is_told_and_not_when_to_come_back() {
    for said in [None, Some(0), Some(61)] {
        refused_by("faltering", |entries| {
            let (at, _) = failed(entries)?;
            let told = entries[at..].iter_mut().find_map(|entry| match &mut entry.what {
                What::Head(_, head) if head.code.as_deref() == Some("model_unavailable") => Some(head),
                _ => None,
            })?;
            told.retry_after.is_some().then(|| told.retry_after = said)
        });
    }
}
