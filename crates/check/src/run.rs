//! One run: probe, then each check, with the server brought to rest in between.

use tokio::time::Instant;

use crate::checks::{self, CHECKS, Check, Judgement};
use crate::lab::Lab;
use crate::options::Options;
use crate::problem::Problem;
use crate::report::{Finding, Report, Verdict};
use crate::target::Target;
use crate::{marker::Markers, probe};

/// What is happening.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The server is looked at.
    Probing,
    /// A check begins.
    Checking {
        /// Which.
        check: &'static Check,
        /// Its number, from 1.
        number: usize,
        /// How many there will be.
        of: usize,
    },
    /// What the check does now.
    Progress(String),
    /// A check has ended.
    Found(&'a Finding),
}

/// Hears what happens, to show it. Called from the run's own task, so it must not block for long.
pub trait Watch: Sync {
    /// Something happens.
    fn step(&self, step: &Step<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {
    fn step(&self, _: &Step<'_>) {}
}

/// Judges the server.
///
/// # Errors
/// [`Problem`], where it cannot be judged at all.
///
/// # Cancel safety
/// Dropping the future closes every connection.
pub async fn run(target: &Target, options: &Options, watch: &dyn Watch) -> Result<Report, Problem> {
    let chosen = chosen(options)?;
    watch.step(&Step::Probing);
    let mut markers = Markers::from_seed(options.seed);
    let known = probe::probe(target, options, &mut markers).await?;
    let mut lab = Lab { target, options, watch, markers, known };
    let mut findings: Vec<Finding> = Vec::new();
    let mut dead = None;
    for (number, check) in (1..).zip(&chosen) {
        watch.step(&Step::Checking { check, number, of: chosen.len() });
        let began = Instant::now();
        let judgement = match &dead {
            Some(after) => Judgement::skipped(format!("the server does not answer since \"{after}\"")),
            None => judge(check, &mut lab, &findings).await.unwrap_or_else(|(judgement, name)| {
                dead = Some(name);
                judgement
            }),
        };
        let Judgement { verdict, evidence, details } = judgement;
        let finding = Finding { check, verdict, evidence, details, took: began.elapsed() };
        watch.step(&Step::Found(&finding));
        findings.push(finding);
    }
    Ok(Report { url: target.url().to_owned(), seed: options.seed, facts: lab.known.facts, findings })
}

/// Runs one check, and sees to it that the next one begins at rest. A server that cannot be brought to rest has failed
/// the check, whatever else was seen.
async fn judge(
    check: &'static Check,
    lab: &mut Lab<'_>,
    earlier: &[Finding],
) -> Result<Judgement, (Judgement, &'static str)> {
    let judgement = checks::judge(check, lab, earlier).await;
    let owed = checks::left_behind(check, lab);
    match lab.settle(owed).await {
        Ok(()) => Ok(judgement),
        Err(why) => {
            let before = judgement.evidence;
            let evidence =
                format!("afterwards the server did not answer a single client: {why} (before that: {before})");
            Err((Judgement { verdict: Verdict::Fail, evidence, ..judgement }, check.name))
        }
    }
}

fn chosen(options: &Options) -> Result<Vec<&'static Check>, Problem> {
    let unknown = options.only.iter().find(|name| !CHECKS.iter().any(|check| check.name == **name));
    if let Some(asked) = unknown {
        let known = CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
        return Err(Problem::UnknownCheck { asked: asked.clone(), known });
    }
    let is_chosen =
        |check: &&'static Check| options.only.is_empty() || options.only.iter().any(|name| name == check.name);
    Ok(CHECKS.iter().copied().filter(is_chosen).collect())
}
