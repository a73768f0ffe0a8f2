//! Many worlds, on as many threads as there are cores, each with a runtime of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use crate::history::History;
use crate::oracles::{Objection, judge};
use crate::play::play;
use crate::world::World;

/// A world and its name.
pub struct Task {
    /// What to call it, a seed or a file.
    pub name: String,
    /// How to see it again.
    pub replay: String,
    /// The world.
    pub world: World,
    /// Whether to play it twice and compare.
    pub twice: bool,
}

/// A world to which somebody objects.
pub struct Failure {
    /// Its number among all.
    pub number: u64,
    /// The world and its name.
    pub task: Task,
    /// What happened.
    pub history: History,
    /// The objections, the earliest first.
    pub objections: Vec<Objection>,
}

/// What came out.
#[derive(Default)]
pub struct Report {
    /// Worlds that were played.
    pub worlds: u64,
    /// How many of them were played twice.
    pub twice: u64,
    /// Things that happened in them.
    pub entries: u64,
    /// Requests in them.
    pub requests: u64,
    /// The first world to which somebody objects, by its number.
    pub failure: Option<Failure>,
}

/// Plays `tasks` worlds; `make` draws the one of a number. Stops at the first to which somebody objects.
///
/// # Panics
/// If a thread cannot be started.
pub fn run(tasks: u64, jobs: usize, make: impl Fn(u64) -> Task + Sync) -> Report {
    let (next, stop, report) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Report::default()));
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= tasks {
                break;
            }
            let failed = one(number, make(number), &report);
            stop.fetch_or(failed, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let start = || -> io::Result<_> { thread::Builder::new().name("world".to_owned()).spawn_scoped(scope, worker) };
        (0..jobs).for_each(|_| drop(start().expect("a thread can be started")));
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Plays one world, and tells whether it failed.
fn one(number: u64, task: Task, report: &Mutex<Report>) -> bool {
    let history = play(&task.world);
    let mut objections = judge(&history);
    if task.twice {
        objections.extend(differs(&history, &play(&task.world)));
    }
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.worlds += 1;
    report.twice += u64::from(task.twice);
    report.entries += history.entries.len() as u64;
    report.requests += task.world.asks().count() as u64;
    let failed = !objections.is_empty();
    if failed && report.failure.as_ref().is_none_or(|first| number < first.number) {
        report.failure = Some(Failure { number, task, history, objections });
    }
    failed
}

/// The first line in which two histories of one world differ.
fn differs(first: &History, second: &History) -> Option<Objection> {
    let (first, second) = (first.to_string(), second.to_string());
    if first == second {
        return None;
    }
    let at = first.lines().zip(second.lines()).take_while(|(a, b)| a == b).count();
    let says = format!("the second time: {}", second.lines().nth(at).unwrap_or("nothing more"));
    Some(Objection { at: at.min(first.lines().count() - 1), says, oracle: "same_seed_same_history" })
}

#[cfg(test)]
mod tests {
    use super::differs;
    use crate::draw::draw;
    use crate::play::play;

    #[test]
    fn the_same_seed_gives_the_same_history_byte_for_byte_and_another_seed_another() {
        let first = play(&draw(11));
        assert_eq!(differs(&first, &play(&draw(11))), None);
        assert!(differs(&first, &play(&draw(12))).is_some(), "the comparison sees a difference");
    }
}
