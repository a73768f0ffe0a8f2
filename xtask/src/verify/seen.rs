//! Which tests passed and which failed, out of what the steps printed.

use std::collections::BTreeSet;

/// Tests by every word that leads to them: the step, the test program, the modules, the name.
#[derive(Debug, Default)]
pub(super) struct Seen {
    passed: BTreeSet<Vec<String>>,
    failed: BTreeSet<Vec<String>>,
}

/// What is known of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Passed,
    Failed,
    /// Nobody ran it.
    Unseen,
}

impl Seen {
    /// Reads what a step printed: lines of libtest, of trybuild, of our tables of loom and shuttle, and of the simulator.
    pub(super) fn read(&mut self, step: &str, output: &str) {
        let is_table = matches!(step, "loom" | "shuttle");
        let mut program = Vec::new();
        for line in without_colours(output).lines().map(str::trim) {
            if let Some(running) = line.strip_prefix("Running ") {
                program = of_program(running);
            } else if let Some((test, passed)) = of_libtest(line) {
                self.put(step, &program, test, passed);
            } else if step == "sim" {
                let (oracles, passed) = of_simulator(line);
                oracles.into_iter().for_each(|oracle| self.put(step, &["oracles".to_owned()], oracle, passed));
            } else if is_table && let Some((test, passed)) = of_table(line) {
                self.put(step, &[], test, passed);
            }
        }
    }

    fn put(&mut self, step: &str, program: &[String], test: &str, passed: bool) {
        let words = std::iter::once(step.to_owned()).chain(program.iter().cloned());
        let test = test.split("::").flat_map(|part| part.split('/')).map(same);
        let words = words.map(|word| same(&word)).chain(test).collect();
        if passed {
            self.passed.insert(words)
        } else {
            self.failed.insert(words)
        };
    }

    /// What became of `name`, `place::name` or `file.rs`. One that failed anywhere has failed.
    pub(super) fn look_up(&self, proof: &str) -> Known {
        let wanted = proof.split("::").map(same).collect::<Vec<_>>();
        let fits =
            |words: &&Vec<String>| words.last() == wanted.last() && wanted.iter().all(|word| words.contains(word));
        if self.failed.iter().any(|words| fits(&words)) {
            Known::Failed
        } else if self.passed.iter().any(|words| fits(&words)) {
            Known::Passed
        } else {
            Known::Unseen
        }
    }
}

/// The text without the sequences that colour it: trybuild colours its lines wherever they go.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| piece.split_once('m').map_or(piece, |(_, rest)| rest));
    first + &rest.collect::<String>()
}

fn same(word: &str) -> String {
    word.replace('-', "_")
}

/// `tests/engine.rs (target/debug/deps/engine-0123)`: the words of the path, and the program's name.
fn of_program(running: &str) -> Vec<String> {
    let (source, program) = running.split_once('(').unwrap_or((running, ""));
    let source = source.trim().trim_start_matches("unittests ").trim_end_matches(".rs");
    let program = program.trim_end_matches(')').rsplit(['/', '\\']).next().unwrap_or_default();
    let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
    source.split(['/', '\\']).chain([program]).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `test NAME ... ok`, with what libtest and trybuild put between and behind.
fn of_libtest(line: &str) -> Option<(&str, bool)> {
    let (test, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    // Behind the name stands what is expected of a case: `forge.rs [should fail to compile]`, `x - should panic`.
    let test = test.split(' ').next()?;
    match verdict.split_whitespace().next()? {
        "ok" => Some((test, true)),
        "FAILED" | "error" | "mismatch" => Some((test, false)),
        _ => None,
    }
}

/// A row of the table that loom and shuttle print: the test, a number or FAILED, a time.
fn of_table(line: &str) -> Option<(&str, bool)> {
    let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    let [test, claim, time] = cells[..] else { return None };
    let is_row = test.contains("::") && !test.contains(' ') && time.ends_with('s');
    is_row.then_some((test, claim != "FAILED"))
}

/// `25 oracles without an objection: exclusion, order`, or `exclusion objects (L1), at the line marked >:`.
fn of_simulator(line: &str) -> (Vec<&str>, bool) {
    match (line.split_once(" oracles without an objection: "), line.split_once(" objects (")) {
        (Some((_, oracles)), _) => (oracles.split(", ").collect(), true),
        (None, Some((oracle, _))) if !oracle.contains(' ') => (vec![oracle], false),
        _ => (Vec::new(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "
     Running unittests src/lib.rs (target/debug/deps/model_locks-0123)
test core::tests::exhaustive::one_lane ... ok
     Running tests/engine.rs (target/debug/deps/engine-4567)
test answers_under_load ... FAILED
test refuses - should panic ... ok
\u{1b}[0mtest \u{1b}[0m\u{1b}[1mtests/fail/forge.rs\u{1b}[0m [should fail to compile] ... \u{1b}[0m\u{1b}[32mok
\u{1b}[0mtest \u{1b}[0m\u{1b}[1mtests/fail/kept.rs\u{1b}[0m [should fail to compile] ... \u{1b}[0m\u{1b}[31mmismatch
test result: FAILED. 1 passed
";

    #[test]
    fn a_proof_is_known_by_its_name_and_by_where_it_stands() {
        let mut seen = Seen::default();
        seen.read("tests", PRINTED);
        assert_eq!(seen.look_up("exhaustive::one_lane"), Known::Passed);
        assert_eq!(seen.look_up("one_lane"), Known::Passed);
        assert_eq!(seen.look_up("model-locks::one_lane"), Known::Passed);
        assert_eq!(seen.look_up("loom::one_lane"), Known::Unseen, "it passed, but not there");
        assert_eq!(seen.look_up("engine::answers_under_load"), Known::Failed);
        assert_eq!(seen.look_up("lane"), Known::Unseen, "a name is compared whole");
        assert_eq!(seen.look_up("refuses"), Known::Passed);
        assert_eq!(seen.look_up("forge.rs"), Known::Passed);
        assert_eq!(seen.look_up("kept.rs"), Known::Failed);
    }

    #[test]
    fn rows_of_loom_and_shuttle_are_read() {
        let mut seen = Seen::default();
        let table = "test                   schedules  time\nexclusion::two         1234       7.3 s\nsweep::revoke          FAILED     2 min 05 s\n";
        seen.read("loom", table);
        assert_eq!(seen.look_up("loom::two"), Known::Passed);
        assert_eq!(seen.look_up("loom::sweep::revoke"), Known::Failed);
        seen.read("sim", "a::b  1  2 s");
        assert_eq!(seen.look_up("b"), Known::Unseen);
    }

    #[test]
    fn oracles_of_the_simulator_are_read() {
        let mut seen = Seen::default();
        seen.read("sim", "1001 worlds\n3 oracles without an objection: exclusion, order, rest\n");
        assert_eq!((seen.look_up("oracles::order"), seen.look_up("oracles::bound")), (Known::Passed, Known::Unseen));
        seen.read("sim", "seed=7   replay: x\norder objects (L3), at the line marked >:\n  nobody objects (here)\n");
        assert_eq!((seen.look_up("oracles::order"), seen.look_up("oracles::rest")), (Known::Failed, Known::Passed));
    }

    #[test]
    fn what_failed_once_has_failed() {
        let mut seen = Seen::default();
        seen.read("core", "test x ... ok\n");
        seen.read("tests", "test x ... FAILED\n");
        assert_eq!(seen.look_up("x"), Known::Failed);
    }
}
