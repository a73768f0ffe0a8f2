//! Running the tests of a model checker, each in a process of its own, so that whatever ends it or is printed by it belongs
//! to one test.

use std::path::Path;

use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest, parallel, stopwatch, table};

/// How the tests of one checker are run and shown.
pub(crate) struct Run<'a> {
    pub(crate) checker: Checker,
    /// A variable for every test.
    pub(crate) setting: Option<(&'a str, String)>,
    /// What the second column of the table counts.
    pub(crate) counted: &'a str,
    /// What a test that passed says about itself in its output.
    pub(crate) claim: fn(&str) -> Option<String>,
    /// How a test that failed is repeated.
    pub(crate) replay: fn(&str) -> Option<String>,
}

/// How one test ended.
struct Verdict {
    test: String,
    passed: bool,
    time: String,
    output: String,
}

impl Run<'_> {
    /// Builds the tests and runs those whose name contains `filter`, one a core.
    ///
    /// # Errors
    /// The build failed, a test failed, or there was none to run: an empty search finds nothing.
    pub(crate) fn all(&self, filter: Option<&str>) -> Outcome {
        let program = self.checker.build()?;
        let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
        let mut names = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
        names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
        if names.is_empty() {
            return Err(Failure::new(format!("no {} test to run: an empty search finds nothing", self.checker.name())));
        }
        let verdicts = parallel::map(&names, |name| self.one(&program, name));
        let verdicts = verdicts.into_iter().collect::<Outcome<Vec<_>>>()?;
        let mut rows = vec![["test", self.counted, "time"].map(str::to_owned).to_vec()];
        rows.extend(verdicts.iter().map(|verdict| self.row(verdict)));
        print!("{}", table::columns(&rows));
        let red = verdicts.iter().filter(|verdict| !verdict.passed).collect::<Vec<_>>();
        for Verdict { test, output, .. } in &red {
            eprintln!("\n---- {test} ----\n{output}");
            (self.replay)(test).iter().for_each(|how| eprintln!("replay: {how}"));
        }
        if red.is_empty() { Ok(()) } else { Err(Failure::new(format!("{} of {} failed", red.len(), names.len()))) }
    }

    fn one(&self, program: &Path, name: &str) -> Outcome<Verdict> {
        let mut command = cargo::program_at_root(program);
        command.args([name, "--exact", "--nocapture"]);
        if let Some((variable, value)) = &self.setting {
            command.env(variable, value);
        }
        let (output, took) = stopwatch::timed(|| cargo::capture(&mut command));
        let output = output?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let ran = libtest::parse(&printed).is_some_and(|report| report.passed == 1);
        Ok(Verdict {
            test: name.to_owned(),
            passed: output.status.success() && ran,
            time: stopwatch::readable(took),
            output: printed + &String::from_utf8_lossy(&output.stderr),
        })
    }

    fn row(&self, verdict: &Verdict) -> Vec<String> {
        let claim = if verdict.passed { (self.claim)(&verdict.output) } else { Some("FAILED".to_owned()) };
        vec![verdict.test.clone(), claim.unwrap_or_else(|| "-".to_owned()), verdict.time.clone()]
    }
}
