//! Candidates side by side, in interleaved rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock;

/// The average time of each candidate, by contest and name, in nanoseconds (or whatever the contest says).
#[derive(Default)]
pub(crate) struct Results {
    numbers: BTreeMap<(&'static str, &'static str), f64>,
    tables: Vec<Table>,
}

/// The candidates of one contest and their average times, in the order in which they were added.
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
    average: Average,
    candidates: Vec<Candidate<'a>>,
}

/// What stands for many times.
#[derive(Clone, Copy)]
enum Average {
    Median,
    Mean,
}

struct Candidate<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
    times: Vec<f64>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(title: &'static str, rounds: usize, operations: u32) -> Self {
        Self { title, rounds, operations, average: Average::Median, candidates: Vec::new() }
    }

    /// The same between two threads. The scheduler of the system puts them on one core or on two, which differs by a factor of
    /// eight, and stays with that for a while. A median would be of the one or of the other, by chance; so it is the mean that
    /// counts, of many rounds.
    pub(crate) fn of_threads(title: &'static str, rounds: usize, operations: u32) -> Self {
        Self { average: Average::Mean, ..Self::new(title, rounds, operations) }
    }

    pub(crate) fn add(&mut self, name: &'static str, work: impl FnMut() + 'a) {
        self.candidates.push(Candidate { name, work: Box::new(work), times: Vec::new() });
    }

    /// Runs all rounds and prints a table of ratios to the candidate named `against`.
    pub(crate) fn run(mut self, against: &'static str, results: &mut Results) {
        let (count, operations) = (self.candidates.len(), f64::from(self.operations));
        self.candidates.iter_mut().for_each(|candidate| (candidate.work)());
        for round in 0..self.rounds {
            for at in order(round, count) {
                let Candidate { work, times, .. } = &mut self.candidates[at];
                times.push(nanoseconds(clock::timed(work)) / operations);
            }
        }
        println!("\n{} ({} rounds of {})", self.title, self.rounds, self.operations);
        let (averaged, average): (_, fn(&Summary) -> f64) = match self.average {
            Average::Median => ("median ns", |summary| summary.median),
            Average::Mean => ("mean ns", |summary| summary.mean),
        };
        let rows = self.candidates.iter_mut().map(|c| (c.name, Summary::of(&mut c.times))).collect::<Vec<_>>();
        let averages = rows.iter().map(|(name, summary)| (*name, average(summary))).collect();
        let table = Table { contest: self.title, against, rows: averages };
        let base = table.base();
        println!("  {:<28} {averaged:>11} {:>11} {:>11} {:>7}", "", "min", "max", "ratio");
        for (name, summary) in rows {
            let (time, Summary { min, max, .. }) = (average(&summary), summary);
            println!("  {name:<28} {time:>11.1} {min:>11.1} {max:>11.1} {:>7.2}", time / base);
        }
        results.add(table);
    }
}

/// Who runs after whom in a round. Over `2 * count` rounds each candidate follows each other one equally often: how a
/// thread is scheduled depends on what ran before, and who always runs after a short one would seem slow. (A *balanced Latin
/// square*, and the same one backwards.)
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    let is_backwards = round / count % 2 == 1;
    (0..count).map(move |at| {
        let at = if is_backwards { count - 1 - at } else { at };
        let zigzag = if at % 2 == 0 { at / 2 } else { count - at.div_ceil(2) };
        (zigzag + round) % count
    })
}

/// What remains of many times.
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    pub(crate) fn of(times: &mut [f64]) -> Self {
        times.sort_by(f64::total_cmp);
        let (min, max) = (times[0], times[times.len() - 1]);
        Self { median: times[times.len() / 2], mean: times.iter().sum::<f64>() / times.len() as f64, min, max }
    }
}

pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_candidate_follows_each_other_one_equally_often() {
        for count in 2..9 {
            let mut followed = BTreeMap::new();
            for round in 0..2 * count {
                let order = order(round, count).collect::<Vec<_>>();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>(), "each runs once a round");
                order.windows(2).for_each(|pair| *followed.entry((pair[0], pair[1])).or_insert(0) += 1);
            }
            assert_eq!(followed.len(), count * (count - 1), "of {count}");
            assert!(followed.values().all(|&times| times == 2), "of {count}: {followed:?}");
        }
    }
}
