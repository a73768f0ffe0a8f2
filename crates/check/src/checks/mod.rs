//! The checks, in the order in which they run. Each is a module whose doc and [`Check`] say what it is about.

mod bound;
mod cancelled;
mod crossed;
mod cut;
mod health;
mod leaver;
mod load;

use crate::lab::Lab;
use crate::report::{Finding, Verdict};

/// What is looked for, and how far one can see.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// One word.
    pub name: &'static str,
    /// The fault, in a few words.
    pub fault: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// What it cannot show.
    pub cannot_show: &'static str,
    /// The bug of a real server that it is named for.
    pub named_for: &'static str,
}

/// All checks. `load` comes after the two whose faults also change answers, so that each fault is blamed once.
pub const CHECKS: &[&Check] =
    &[&crossed::CHECK, &cut::CHECK, &load::CHECK, &leaver::CHECK, &cancelled::CHECK, &health::CHECK, &bound::CHECK];

/// What a check came to.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) evidence: String,
    pub(crate) details: Vec<String>,
}

impl Judgement {
    pub(crate) fn pass(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, evidence: evidence.into(), details: Vec::new() }
    }

    pub(crate) fn fail(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::pass(evidence) }
    }

    pub(crate) fn inconclusive(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, ..Self::pass(evidence) }
    }

    pub(crate) fn skipped(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::pass(evidence) }
    }

    pub(crate) fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

/// Runs a check.
pub(crate) async fn judge(check: &Check, lab: &mut Lab<'_>, earlier: &[Finding]) -> Judgement {
    let failed = |of: &Check| earlier.iter().any(|found| found.check == of && found.verdict == Verdict::Fail);
    match check.name {
        "crossed" => crossed::judge(lab).await,
        "cut" => cut::judge(lab).await,
        "load" => load::judge(lab, failed(&crossed::CHECK), failed(&cut::CHECK)).await,
        "leaver" => leaver::judge(lab).await,
        "cancelled" => cancelled::judge(lab).await,
        "health" => health::judge(lab).await,
        "bound" => bound::judge(lab).await,
        name => Judgement::skipped(format!("nothing runs under the name {name}")),
    }
}

/// Long answers that a check walks away from at most. A server that does not notice still makes them.
pub(crate) fn left_behind(check: &Check, lab: &Lab<'_>) -> usize {
    match check.name {
        "leaver" => lab.rounds() * 3,
        "cancelled" => lab.clients() + 1,
        "health" => lab.clients() * health::CROWD,
        "bound" => lab.options.flood,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn every_check_says_what_it_cannot_show_and_which_bug_it_is_named_for() {
        for check in CHECKS {
            assert!(check.name.len() <= 9, "{} does not fit into its column", check.name);
            assert!(!check.shows.is_empty() && !check.cannot_show.is_empty(), "{}", check.name);
            assert!(check.named_for.contains('#'), "{} names no bug", check.name);
        }
    }
}
