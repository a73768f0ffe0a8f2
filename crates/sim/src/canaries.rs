//! Planted bugs, and within how many seeds each must be found.
//!
//! The seeds are always the same, so that whether a bug is found is no matter of luck: it changes only when the service,
//! the worlds or the oracles do.

use std::process::Command;

/// A planted bug.
pub struct Canary {
    /// The name by which it is planted; see the canaries of `serving`.
    pub name: &'static str,
    /// Where it is.
    pub place: &'static str,
    /// The number of seeds within which it must be found.
    pub within: u64,
    /// The oracles one of which must object first.
    pub found_by: &'static [&'static str],
}

/// All of them.
pub const CANARIES: &[Canary] = &[
    Canary { name: "no_lock", place: "the lock", within: 10, found_by: &["exclusion"] },
    Canary { name: "lifo", place: "the lock", within: 10, found_by: &["order", "patience"] },
    Canary { name: "overfull", place: "the lock", within: 10, found_by: &["bound"] },
    Canary { name: "starves", place: "the lock", within: 100, found_by: &["bypass", "patience"] },
    Canary { name: "loses_grants", place: "the lock", within: 100, found_by: &["rest", "conservation"] },
    Canary { name: "global_lock", place: "the lock", within: 10, found_by: &["parallel"] },
    Canary { name: "early_release", place: "the release order", within: 10, found_by: &["exclusion", "parallel"] },
    Canary { name: "tells_early", place: "the release order", within: 10, found_by: &["told_last", "parallel"] },
    Canary { name: "waits_on", place: "cancellation", within: 20, found_by: &["leaving"] },
    Canary { name: "works_on", place: "cancellation", within: 20, found_by: &["leaving"] },
    Canary { name: "counts_twice", place: "counting", within: 10, found_by: &["counters"] },
    Canary { name: "forgets_refusals", place: "counting", within: 10, found_by: &["one_outcome"] },
    Canary { name: "skips_reset", place: "the repair", within: 20, found_by: &["quarantine"] },
    Canary { name: "forgets_waiters", place: "the reload", within: 60, found_by: &["keeping"] },
    Canary { name: "keeps_quiet", place: "the reload", within: 60, found_by: &["faltering"] },
    Canary { name: "gives_up", place: "the reload", within: 60, found_by: &["faltering"] },
    Canary { name: "hasty", place: "the drain", within: 20, found_by: &["drain"] },
    Canary { name: "drops_text", place: "the stream", within: 50, found_by: &["own_text"] },
];

/// Hunts one canary in a process of its own, since the environment plants it. The number of the seed that found it, and
/// the oracle.
///
/// # Errors
/// That it was not found, or by another oracle.
pub fn hunt(canary: &Canary) -> Result<(u64, String), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.env("EDISON_CANARY", canary.name).args(["--hunt", "--seeds", &canary.within.to_string()]);
    let output = command.output().map_err(|error| error.to_string())?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let found = printed.lines().find_map(|line| line.strip_prefix("found "));
    let Some((seed, oracle)) = found.and_then(|found| found.split_once(' ')) else {
        return Err(format!("not found within {} seeds", canary.within));
    };
    let seed = seed.parse().map_err(|_| format!("no number: {seed}"))?;
    if canary.found_by.contains(&oracle) { Ok((seed, oracle.to_owned())) } else { Err(format!("found by {oracle}")) }
}

#[cfg(test)]
mod tests {
    use super::CANARIES;
    use crate::oracles::ORACLES;

    #[test]
    fn the_readme_counts_the_oracles_and_the_bugs_that_there_are() {
        let readme = include_str!("../../../README.md");
        for count in [format!("{} oracles judge", ORACLES.len()), format!("plants {} bugs", CANARIES.len())] {
            assert!(readme.contains(&count), "README does not say \"{count}\"");
        }
    }
}
