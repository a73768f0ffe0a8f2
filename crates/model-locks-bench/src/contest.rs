//! Candidates side by side, in interleaved rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock;

/// The median time of each candidate, by contest and name, in nanoseconds (or whatever the contest says).
#[derive(Default)]
pub(crate) struct Results {
    numbers: BTreeMap<(&'static str, &'static str), f64>,
    tables: Vec<Table>,
}

/// The candidates of one contest and their median times, in the order in which they were added.
pub(crate) struct Table {
    pub(crate) contest: &'static str,
    /// The candidate that the others are compared with.
    pub(crate) against: &'static str,
    pub(crate) rows: Vec<(&'static str, f64)>,
}

impl Table {
    /// The time of the candidate that the others are compared with.
    pub(crate) fn base(&self) -> f64 {
        self.rows.iter().find(|(name, _)| *name == self.against).expect("the peer takes part").1
    }
}

impl Results {
    pub(crate) fn put(&mut self, contest: &'static str, name: &'static str, value: f64) {
        self.numbers.insert((contest, name), value);
    }

    pub(crate) fn get(&self, contest: &'static str, name: &'static str) -> f64 {
        *self.numbers.get(&(contest, name)).unwrap_or_else(|| panic!("`{name}` did not take part in `{contest}`"))
    }

    /// Who took part in this contest.
    pub(crate) fn names(&self, contest: &'static str) -> Vec<&'static str> {
        self.numbers.keys().filter(|(of, _)| *of == contest).map(|(_, name)| *name).collect()
    }

    /// Enters a whole contest.
    pub(crate) fn add(&mut self, table: Table) {
        table.rows.iter().for_each(|(name, time)| self.put(table.contest, name, *time));
        self.tables.push(table);
    }

    /// The contests so far.
    pub(crate) fn tables(&self) -> &[Table] {
        &self.tables
    }
}

/// A measurement of several candidates that do the same.
pub(crate) struct Contest<'a> {
    title: &'static str,
    rounds: usize,
    /// Operations that one call of a candidate does.
    operations: u32,
    candidates: Vec<Candidate<'a>>,
}

struct Candidate<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
    times: Vec<f64>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(title: &'static str, rounds: usize, operations: u32) -> Self {
        Self { title, rounds, operations, candidates: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, work: impl FnMut() + 'a) {
        self.candidates.push(Candidate { name, work: Box::new(work), times: Vec::new() });
    }

    /// Runs all rounds and prints a table of ratios to the candidate named `against`.
    pub(crate) fn run(mut self, against: &'static str, results: &mut Results) {
        let (count, operations) = (self.candidates.len(), f64::from(self.operations));
        self.candidates.iter_mut().for_each(|candidate| (candidate.work)());
        for round in 0..self.rounds {
            // Each round begins with another candidate, so that none always runs in the shadow of the same one.
            for at in (0..count).map(|at| (at + round) % count) {
                let Candidate { work, times, .. } = &mut self.candidates[at];
                times.push(nanoseconds(clock::timed(work)) / operations);
            }
        }
        println!("\n{} ({} rounds of {})", self.title, self.rounds, self.operations);
        let rows = self.candidates.iter_mut().map(|c| (c.name, Summary::of(&mut c.times))).collect::<Vec<_>>();
        let medians = rows.iter().map(|(name, summary)| (*name, summary.median)).collect();
        let table = Table { contest: self.title, against, rows: medians };
        let base = table.base();
        println!("  {:<28} {:>11} {:>11} {:>11} {:>7}", "", "median ns", "min", "max", "ratio");
        for (name, Summary { median, min, max }) in rows {
            println!("  {name:<28} {median:>11.1} {min:>11.1} {max:>11.1} {:>7.2}", median / base);
        }
        results.add(table);
    }
}

/// What remains of many times.
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    pub(crate) fn of(times: &mut [f64]) -> Self {
        times.sort_by(f64::total_cmp);
        let (min, max) = (times[0], times[times.len() - 1]);
        Self { median: times[times.len() / 2], min, max }
    }
}

pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}
