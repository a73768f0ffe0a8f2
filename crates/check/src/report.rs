//! What was found, as values, as lines, as JSON, and as JUnit XML.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use serde_json::{Value, json};

use crate::checks::Check;

/// So many details are shown to people; programs get all.
const DETAILS_MAX: usize = 3;

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The fault was looked for where it would have shown, and was not there.
    Pass,
    /// The fault was seen.
    Fail,
    /// It cannot be told from outside, or not on this server.
    Inconclusive,
    /// It was not looked for.
    Skipped,
}

impl Verdict {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which check.
    pub check: &'static Check,
    /// What it says.
    pub verdict: Verdict,
    /// Why, in one line.
    pub evidence: String,
    /// What was seen, a line each; may be empty.
    pub details: Vec<String>,
    /// How long the check took.
    pub took: Duration,
}

/// What is known of the server before anything is judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The model that is asked.
    pub model: String,
    /// All that the server lists.
    pub models: Vec<String>,
    /// Whether it repeats a word when it is asked to.
    pub echoes: bool,
    /// Whether it says the same again when nobody else asks.
    pub reproducible: bool,
    /// Where the server tells that it lives.
    pub health_path: &'static str,
    /// The time of a short answer alone, in seconds.
    pub short_seconds: f64,
    /// The time of a long answer alone, in seconds.
    pub long_seconds: f64,
    /// The pieces in which a long answer comes.
    pub long_chunks: usize,
}

/// Everything that was found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The address.
    pub url: String,
    /// Where the markers came from.
    pub seed: u64,
    /// What is known of the server.
    pub facts: Facts,
    /// One for each check, in their order.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a check failed, or, if `strict`, one was inconclusive.
    pub fn is_bad(&self, strict: bool) -> bool {
        self.count(Verdict::Fail) > 0 || (strict && self.count(Verdict::Inconclusive) > 0)
    }

    /// How many checks say so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// A line for each check, with what was seen below those that did not pass, and one that adds up.
    pub fn to_text(&self) -> String {
        let lines = self.findings.iter().map(Finding::line).collect::<String>();
        lines + &self.summary() + "\n"
    }

    /// How many of each.
    pub fn summary(&self) -> String {
        let all = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped];
        let counts = all.map(|verdict| (self.count(verdict), verdict.as_str().to_lowercase()));
        let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| {
            format!("{count} {}", if verdict == "pass" { "passed".into() } else { verdict.replace("fail", "failed") })
        });
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Everything, for programs. `version` counts changes that break readers.
    pub fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "check": finding.check.name,
                "verdict": finding.verdict,
                "evidence": finding.evidence,
                "details": finding.details,
                "seconds": finding.took.as_secs_f64(),
                "shows": finding.check.shows,
                "cannot_show": finding.check.cannot_show,
                "named_for": finding.check.named_for,
            })
        };
        json!({
            "version": 1,
            "url": self.url,
            "seed": self.seed,
            "verdict": if self.is_bad(false) { Verdict::Fail } else { Verdict::Pass },
            "server": self.facts,
            "checks": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    /// The form that CI services read. What is inconclusive counts as skipped there, with its reason.
    pub fn to_junit(&self) -> String {
        let mut suite = TestSuite::new("edison check");
        for finding in &self.findings {
            let mut status = match finding.verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::Inconclusive | Verdict::Skipped => TestCaseStatus::skipped(),
            };
            if finding.verdict != Verdict::Pass {
                status.set_message(format!("{}: {}", finding.verdict.as_str().to_lowercase(), finding.evidence));
                status.set_description(finding.details.join("\n"));
            }
            let mut case = TestCase::new(finding.check.name, status);
            case.set_classname("edison.check").set_time(finding.took);
            if finding.verdict == Verdict::Pass {
                case.set_system_out(&finding.evidence);
            }
            suite.add_test_case(case);
        }
        let mut report = quick_junit::Report::new(format!("edison check {}", self.url));
        report.add_test_suite(suite);
        report.to_string().unwrap_or_else(|error| format!("<!-- the report cannot be written: {error} -->\n"))
    }
}

impl Finding {
    /// One line of evidence; below it, unless the check passed, what was seen.
    pub fn line(&self) -> String {
        let mut text = format!("{:12}  {:9}  {}\n", self.verdict.as_str(), self.check.name, self.evidence);
        if self.verdict == Verdict::Fail {
            for detail in self.details.iter().take(DETAILS_MAX) {
                text += &format!("{:12}  {:9}    {detail}\n", "", "");
            }
            if let Some(more) = self.details.len().checked_sub(DETAILS_MAX).filter(|more| *more > 0) {
                text += &format!("{:12}  {:9}    and {more} more\n", "", "");
            }
        }
        text
    }
}
