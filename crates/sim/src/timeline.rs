//! What a failure looks like to a reader: the seed, the objection, and what happened around it.

use std::fmt::Write as _;

use crate::history::{Entry, History, What};
use crate::oracles::{ORACLES, Objection};

/// Lines before and behind the objection.
const BEFORE: usize = 40;
const BEHIND: usize = 10;

/// The failure in words. `name` says which world it is, and `replay` how to see it again.
pub fn tell(name: &str, replay: &str, history: &History, objections: &[Objection]) -> String {
    let Some(first) = objections.first() else { return format!("{name}: no objection\n") };
    let mut text = String::new();
    let promise = ORACLES.iter().find(|oracle| oracle.name == first.oracle).map_or("", |oracle| oracle.promise);
    let _ = writeln!(text, "{name}   replay: {replay}");
    let _ = writeln!(text, "{} objects ({promise}), at the line marked >:", first.oracle);
    let _ = writeln!(text, "  {}\n", first.says);
    let near = near(history, first);
    let (begin, end) = (first.at.saturating_sub(BEFORE), (first.at + BEHIND).min(history.entries.len() - 1));
    for (at, entry) in history.entries.iter().enumerate() {
        let is_far = at < begin || at > end;
        // From far away only what concerns the same requests, and the turns of the whole.
        if is_far && !concerns(entry, &near) {
            continue;
        }
        let mark = if at == first.at { ">" } else { " " };
        let _ = writeln!(text, "{mark} {}", shortened(&entry.to_string()));
    }
    let others: Vec<&str> = objections[1..].iter().map(|objection| objection.oracle).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "\nLater, perhaps because of it: {}", others.join(", "));
    }
    text
}

/// The id that the objection begins with.
fn near(history: &History, objection: &Objection) -> Option<String> {
    let word = objection.says.split([' ', ':']).next()?;
    let is_id = |entry: &Entry| matches!(&entry.what, What::Sent(id, _) if id == word);
    history.entries.iter().any(is_id).then(|| word.to_owned())
}

fn concerns(entry: &Entry, near: &Option<String>) -> bool {
    match &entry.what {
        What::ToldToGo(_)
        | What::Gone(..)
        | What::DrainBegins
        | What::DrainOver
        | What::Over(_)
        | What::Stuck
        | What::Panic(_) => true,
        What::Sent(id, _) | What::Head(id, _) | What::Done(id, ..) | What::Broke(id, _) | What::Cut(id, _) => {
            near.as_ref() == Some(id)
        }
        What::Left(id) => near.as_ref() == Some(id),
        What::Outcome(outcome) => near.as_ref() == Some(&outcome.request_id),
        _ => false,
    }
}

fn shortened(line: &str) -> String {
    const LENGTH: usize = 220;
    match line.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
