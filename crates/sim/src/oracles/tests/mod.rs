//! Each oracle is shown a history in which its promise is broken, and must object; and the sound one, and must not.

mod faltering;
mod keeping;
mod lanes;
mod requests;

use std::sync::OnceLock;

use serving::Outcome;

use super::{ORACLES, judge};
use crate::draw::draw;
use crate::history::{Entry, History, What};
use crate::play::play;

/// Seeds are tried in order until one has what a doctor needs.
fn histories() -> &'static [History] {
    static HISTORIES: OnceLock<Vec<History>> = OnceLock::new();
    HISTORIES.get_or_init(|| {
        crate::history::catch_panics();
        (1..=60).map(|seed| play(&draw(seed))).collect()
    })
}

/// Doctors the first history that can be, and tells who objects.
fn objectors(doctor: impl Fn(&mut Vec<Entry>) -> Option<()>) -> Vec<&'static str> {
    for history in histories() {
        let mut doctored = history.clone();
        if doctor(&mut doctored.entries).is_some() {
            return judge(&doctored).iter().map(|objection| objection.oracle).collect();
        }
    }
    panic!("no history has what it takes");
}

#[track_caller]
fn refused_by(oracle: &str, doctor: impl Fn(&mut Vec<Entry>) -> Option<()>) {
    assert!(ORACLES.iter().any(|known| known.name == oracle), "there is no oracle {oracle}");
    let found = objectors(doctor);
    assert!(found.contains(&oracle), "{oracle} does not object, only {found:?}");
}

fn place(entries: &[Entry], is: impl Fn(&What) -> bool) -> Option<usize> {
    entries.iter().position(|entry| is(&entry.what))
}

fn change<T>(entries: &mut [Entry], mut what: impl FnMut(&mut What) -> Option<T>) -> Option<()> {
    entries.iter_mut().find_map(|entry| what(&mut entry.what)).map(|_| ())
}

fn outcome(entries: &mut [Entry], is: impl Fn(&Outcome) -> bool, edit: impl Fn(&mut Outcome)) -> Option<()> {
    change(entries, |what| match what {
        What::Outcome(outcome) if is(outcome) => {
            edit(outcome);
            Some(())
        }
        _ => None,
    })
}

#[test]
fn nobody_objects_to_what_has_happened() {
    for history in histories() {
        let objections = judge(history);
        assert!(objections.is_empty(), "{objections:#?}");
    }
}
