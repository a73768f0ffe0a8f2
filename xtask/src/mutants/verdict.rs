//! Which survivors are holes in the tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo;
use crate::failure::{Failure, Outcome};

/// The survivors that are no hole.
const EQUIVALENT: &str = "crates/model-locks/mutants-equivalent.txt";
/// The names in the repository's list.
pub(super) fn listed() -> Outcome<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(cargo::root().join(EQUIVALENT));
    let text = text.map_err(|error| Failure::new(format!("{EQUIVALENT}: {error}")))?;
    equivalents(&text).map_err(|why| Failure::new(format!("{EQUIVALENT}: {why}")))
}

/// The names in the list, each with its reason: a name begins a line, its reason follows, indented.
fn equivalents(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut listed = BTreeMap::<String, String>::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            last = Some(line.trim().to_owned());
            listed.insert(line.trim().to_owned(), String::new());
        } else if let Some(reason) = last.as_ref().and_then(|name| listed.get_mut(name)) {
            reason.push_str(line.trim());
            reason.push(' ');
        }
    }
    match listed.iter().find(|(_, reason)| reason.is_empty()) {
        None => Ok(listed),
        Some((name, _)) => Err(format!("no reason stands under `{name}`")),
    }
}

/// `FILE:LINE:COLUMN: CHANGE` as `FILE: CHANGE`, which survives the next edit above it.
fn without_position(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(file), Some(_), Some(_), Some(change)] => format!("{file}:{change}"),
        _ => name.to_owned(),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Survivors without a reason.
    holes: Vec<String>,
    /// Reasons without a survivor.
    stale: Vec<String>,
}

/// `whole`: every mutant was judged, so one that is listed and did not survive is gone or caught.
pub(super) fn verdict(survivors: &BTreeSet<String>, listed: &BTreeMap<String, String>, whole: bool) -> Verdict {
    let is_listed = |name: &&String| listed.contains_key(&without_position(name));
    let holes = survivors.iter().filter(|name| !is_listed(name)).cloned().collect();
    let survived = survivors.iter().map(|name| without_position(name)).collect::<BTreeSet<_>>();
    let stale = listed.keys().filter(|name| whole && !survived.contains(*name)).cloned().collect();
    Verdict { holes, stale }
}

pub(super) fn report(verdict: &Verdict) -> Outcome {
    for name in &verdict.holes {
        eprintln!("survived: {name}");
    }
    for name in &verdict.stale {
        eprintln!("listed in {EQUIVALENT}, but it did not survive: {name}");
    }
    match (verdict.holes.len(), verdict.stale.len()) {
        (0, 0) => Ok(()),
        (0, stale) => Err(Failure::new(format!("{stale} to be taken off the list"))),
        (holes, _) => Err(Failure::new(format!(
            "{holes} survived: write the test that notices, or list the name with the reason why none can"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "crates/model-locks/src/core/select.rs:47:36: replace >= with < in Bypass::is_due";
    const LISTED: &str = "crates/model-locks/src/core/select.rs: replace >= with < in Bypass::is_due";

    fn survivors(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_is_known_again_when_its_line_has_moved() {
        assert_eq!(without_position(NAME), LISTED);
        assert_eq!(
            without_position("a.rs:1:2: replace x -> Y::Z with Y::new()"),
            "a.rs: replace x -> Y::Z with Y::new()"
        );
    }

    #[test]
    fn a_listed_name_has_its_reason_below() {
        let listed = equivalents(&format!("# about\n\n{LISTED}\n    Because it is\n    the same.\n"));
        assert_eq!(listed, Ok([(LISTED.to_owned(), "Because it is the same. ".to_owned())].into()));
        assert!(equivalents(&format!("{LISTED}\n\nanother\n    Because.\n")).is_err(), "no reason");
    }

    #[test]
    fn a_survivor_is_a_hole_unless_it_is_listed() {
        let listed = [(LISTED.to_owned(), "Because.".to_owned())].into();
        assert_eq!(verdict(&survivors(&[NAME]), &listed, true), Verdict { holes: vec![], stale: vec![] });
        let hole = verdict(&survivors(&[NAME, "a.rs:1:2: b"]), &listed, true);
        assert_eq!(hole, Verdict { holes: vec!["a.rs:1:2: b".to_owned()], stale: vec![] });
    }

    #[test]
    fn a_reason_without_a_survivor_is_stale_when_all_were_judged() {
        let listed = [(LISTED.to_owned(), "Because.".to_owned())].into();
        assert_eq!(verdict(&survivors(&[]), &listed, true).stale, [LISTED]);
        assert_eq!(verdict(&survivors(&[]), &listed, false).stale, Vec::<String>::new());
    }

    #[test]
    fn the_list_in_the_repository_can_be_read() {
        assert!(listed().is_ok());
    }
}
