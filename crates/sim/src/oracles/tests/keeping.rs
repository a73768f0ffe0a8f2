//! Histories in which a model is let go too early, too late, or for ever.

use std::time::Duration;

use backend_mock::What as Engine;
use serving::LockEvent;

use super::{place, refused_by};
use crate::history::{Entry, What};

fn is_gone(what: &What) -> bool {
    matches!(what, What::Engine(Engine::Unloaded { .. }))
}

/// Where an engine is dropped before the server is asked to stop, and of which model.
fn gone(entries: &[Entry]) -> Option<(usize, String)> {
    let at = place(entries, is_gone)?;
    let begun = place(entries, |what| matches!(what, What::DrainBegins))?;
    let What::Engine(Engine::Unloaded { model }) = &entries[at].what else { return None };
    (at < begun).then(|| (at, model.to_string()))
}

#[test]
fn an_engine_that_is_dropped_under_its_holder() {
    refused_by("keeping", |entries| {
        let (at, model) = gone(entries)?;
        let is_release = |what: &What| matches!(what, What::Lock(of, LockEvent::Released { .. }) if *of == model);
        let released = entries[..at].iter().rposition(|entry| is_release(&entry.what))?;
        let early = entries.remove(at);
        entries.insert(released, Entry { at: entries[released].at, ..early });
        Some(())
    });
}

#[test]
fn a_model_that_is_let_go_for_no_reason() {
    refused_by("keeping", |entries| {
        let at = place(entries, |what| matches!(what, What::ToldToGo(_)))?;
        let What::ToldToGo(model) = entries[at].what.clone() else { return None };
        let is_of_model = |what: &What| matches!(what, What::Engine(Engine::Unloaded { model: of }) if **of == *model);
        let gone = at + place(&entries[at..], is_of_model)?;
        let over = at + place(&entries[at..], |what| matches!(what, What::Gone(of, None) if *of == model))?;
        (gone < over).then_some(())?;
        // Nobody told it.
        entries.remove(over);
        entries.remove(at);
        Some(())
    });
}

/// Method: as if the engine had been dropped later than it was, and nothing else had changed.
#[test]
fn a_model_that_is_idle_and_kept() {
    refused_by("keeping", |entries| {
        if place(entries, |what| matches!(what, What::ToldToGo(_))).is_some() {
            return None;
        }
        let (at, _) = gone(entries)?;
        let next = entries.iter().position(|entry| entry.at > entries[at].at + Duration::from_millis(5))?;
        let late = entries.remove(at);
        entries.insert(next, Entry { at: entries[next - 1].at, ..late });
        Some(())
    });
}

/// Method: the load that somebody who waits has caused begins only later.
#[test]
fn a_model_that_nobody_brings_back_for_who_waits() {
    refused_by("keeping", |entries| {
        let (at, model) = gone(entries)?;
        let is_load = |what: &What| matches!(what, What::Engine(Engine::LoadStarted { model: of }) if **of == *model);
        let load = at + place(&entries[at..], is_load)?;
        let waits = |what: &What| matches!(what, What::Lock(of, LockEvent::Enqueued { .. }) if *of == model);
        let came = at + place(&entries[at..load], waits)?;
        let later = entries[came].at + Duration::from_millis(5);
        let next = load + entries[load..].iter().position(|entry| entry.at > later)?;
        let late = entries.remove(load);
        entries.insert(next, Entry { at: entries[next - 1].at, ..late });
        Some(())
    });
}

#[test]
fn a_lane_of_a_model_that_is_not_there() {
    refused_by("keeping", |entries| {
        let grant = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Granted { .. })))?;
        let early = entries.remove(grant);
        entries.insert(0, Entry { at: Duration::ZERO, ..early });
        Some(())
    });
}
