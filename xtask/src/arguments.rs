//! The command line: words in, a [`Command`] out.

use crate::failure::{Failure, Outcome};
use crate::verify::Extent;

/// What `cargo xtask` prints without arguments.
pub(crate) const HELP: &str = "\
cargo xtask COMMAND

  serve    [--no-install] [--release | --native] [-- ARGS]
                            build the server and run `edison serve ARGS`; with --native a release
                            for what this very processor has
  test     [--no-install] [-- ARGS]
                            run every Rust test: `cargo test --workspace ARGS`
  ci       [--no-install] [STEP...]
                            run what CI checks besides the tests, or only the steps named:
                            fmt alone examples package clippy docs canaries sdk clients described check loom
                            shuttle sim timing,
                            and on request planted deny msrv miri semver
  loom     [--complete] [-- FILTER]
                            check every schedule of small programs around the lock; with
                            --complete also where that takes long
  shuttle  [--iterations N] [-- FILTER]
                            play programs of many threads around the lock under a random scheduler
  fuzz     [--cases N] [--seed HEX] [-- FILTER]
                            send each parser N requests, scripts and configurations that nobody
                            would write; nothing may panic, fail, or be refused without a reason
  mutants  [--in-diff BASE] [-- FILTER]
                            change the lock in small ways, in all or in what differs from BASE; its
                            tests must notice
  planted  [-- FILTER]      plant bugs in the lock that other locks had; the tests named for
                            each must find it
  bench    locks [--svg DIR]
                            time the lock beside other locks, and draw the results
  bench    core             count the steps of the lock's core that are checked in a second
  bench    engine [--no-install] [--native] -- raw|lanes|models|reuse|returning FILE
                            time the engine on a model: beside a bare loop over llama.cpp, with several
                            lanes, beside other models, with prompts that begin alike, and with ones that
                            return
  bench    engine -- http --url HOST:PORT --peer-url HOST:PORT
                            put the same load on a server and on another one, in turns
  bench    engine -- soak   half an hour of clients that leave and models that go
  bench    http [-- cost|crowd]
                            what a completion and a streamed token cost beside a bare server, or what
                            10,000 connections do that are opened and left
  check    [--no-install] [--complete]
                            run `edison check` on our server, which must pass, and on servers with
                            planted faults, which must not; with --complete on every fault
  canaries [--no-install]   plant bugs in the locks; each must turn a named test red
  timing   [--no-install] [--out DIR] [--repeat N]
                            measure who waits for whom in real time, judge it, and draw it
  verify   [--no-install] [--quick | --complete] [--readme]
                            run every proof there is and write one report; with --readme also
                            the table of promises in README.md
  sim      [--seed N] [--seeds N] [--shrink] [--canaries] ...
                            the whole service in virtual time, from seeds, judged by oracles;
                            `sim --help` lists all of it
  sdk      [--no-install]   run the official OpenAI client for Python against the server

serve, test, ci, check, timing, verify, canaries, sdk and bench engine first look for the tools that building llama.cpp takes
(a C++ compiler, cmake, make, libclang, git). What is missing is installed with the system's package manager, after saying what,
why and how; with --no-install the command is only printed. When nothing is missing, nothing is
printed.
";

/// How the server is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As for the tests, with which it shares the engine.
    Dev,
    Release,
    /// A release for the processor at hand.
    Native,
}

/// One command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Serve { install: bool, build: Build, rest: Vec<String> },
    Test { install: bool, rest: Vec<String> },
    Ci { install: bool, steps: Vec<String> },
    Loom { complete: bool, filter: Option<String> },
    Shuttle { iterations: Option<u64>, filter: Option<String> },
    Fuzz { cases: Option<u64>, seed: Option<String>, filter: Option<String> },
    Mutants { base: Option<String>, filter: Option<String> },
    Planted { filter: Option<String> },
    Bench { install: bool, build: Build, what: Vec<String>, pictures: Option<String>, rest: Vec<String> },
    Canaries { install: bool },
    Sim { rest: Vec<String> },
    Check { install: bool, complete: bool },
    Timing { install: bool, out: Option<String>, repeat: Option<u64> },
    Verify { install: bool, extent: Extent, readme: bool },
    Sdk { install: bool },
}

/// Reads the words after `cargo xtask`.
///
/// # Errors
/// A usage failure that names the word in the way.
pub(crate) fn parse(words: &[String]) -> Outcome<Command> {
    let Some((name, words)) = words.split_first() else {
        return Ok(Command::Help);
    };
    let mut words = Words::new(name, words);
    let command = match name.as_str() {
        "help" | "--help" | "-h" => Command::Help,
        // The simulator has a help of its own.
        name if name != "sim" && words.asks_for_help() => return Ok(Command::Help),
        "serve" => Command::Serve { install: words.install(), build: build(&mut words)?, rest: words.take_rest() },
        "test" => Command::Test { install: words.install(), rest: words.take_rest() },
        "ci" => Command::Ci { install: words.install(), steps: words.take_names() },
        "loom" => Command::Loom { complete: words.flag("--complete"), filter: words.filter()? },
        "shuttle" => Command::Shuttle { iterations: words.number("--iterations")?, filter: words.filter()? },
        "fuzz" => {
            let (cases, seed) = (words.number("--cases")?, words.value("--seed")?);
            Command::Fuzz { cases, seed, filter: words.filter()? }
        }
        "mutants" => Command::Mutants { base: words.value("--in-diff")?, filter: words.filter()? },
        "planted" => Command::Planted { filter: words.filter()? },
        "bench" => {
            let (install, pictures) = (words.install(), words.value("--svg")?);
            let build = if words.flag("--native") { Build::Native } else { Build::Release };
            Command::Bench { install, build, what: words.take_names(), pictures, rest: words.take_rest() }
        }
        "canaries" => Command::Canaries { install: words.install() },
        "sim" => Command::Sim { rest: words.take_all() },
        "check" => Command::Check { install: words.install(), complete: words.flag("--complete") },
        "timing" => {
            Command::Timing { install: words.install(), out: words.value("--out")?, repeat: words.number("--repeat")? }
        }
        "verify" => {
            Command::Verify { install: words.install(), extent: extent(&mut words)?, readme: words.flag("--readme") }
        }
        "sdk" => Command::Sdk { install: words.install() },
        _ => return Err(Failure::usage(format!("unknown command `{name}`"))),
    };
    words.finish()?;
    Ok(command)
}

fn build(words: &mut Words) -> Outcome<Build> {
    match (words.flag("--release"), words.flag("--native")) {
        (false, false) => Ok(Build::Dev),
        (true, false) => Ok(Build::Release),
        (false, true) => Ok(Build::Native),
        (true, true) => Err(Failure::usage("`serve` takes --release or --native, which is a release, not both")),
    }
}

fn extent(words: &mut Words) -> Outcome<Extent> {
    match (words.flag("--quick"), words.flag("--complete")) {
        (false, false) => Ok(Extent::Usual),
        (true, false) => Ok(Extent::Quick),
        (false, true) => Ok(Extent::Complete),
        (true, true) => Err(Failure::usage("`verify` takes --quick or --complete, not both")),
    }
}

/// The words of one command that have not been understood yet.
struct Words {
    command: String,
    /// Before `--`: ours.
    own: Vec<String>,
    /// After `--`: passed on.
    rest: Vec<String>,
}

impl Words {
    fn new(command: &str, words: &[String]) -> Self {
        let end = words.iter().position(|word| word == "--");
        let own = words[..end.unwrap_or(words.len())].to_vec();
        let rest = end.map(|end| words[end + 1..].to_vec()).unwrap_or_default();
        Self { command: command.to_owned(), own, rest }
    }

    fn asks_for_help(&self) -> bool {
        self.own.iter().any(|word| ["--help", "-h"].contains(&word.as_str()))
    }

    fn flag(&mut self, name: &str) -> bool {
        let before = self.own.len();
        self.own.retain(|word| word != name);
        self.own.len() < before
    }

    /// The word after `name`.
    fn value(&mut self, name: &str) -> Outcome<Option<String>> {
        let Some(at) = self.own.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if self.own.get(at + 1).is_none_or(|word| word.starts_with('-')) {
            return Err(Failure::usage(format!("`{name}` takes a value")));
        }
        Ok(self.own.drain(at..at + 2).nth(1))
    }

    fn number(&mut self, name: &str) -> Outcome<Option<u64>> {
        let not_one = |_| Failure::usage(format!("`{name}` takes a number"));
        self.value(name)?.map(|word| word.parse().map_err(not_one)).transpose()
    }

    fn install(&mut self) -> bool {
        !self.flag("--no-install")
    }

    fn take_rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest)
    }

    /// Every word: another program reads them.
    fn take_all(&mut self) -> Vec<String> {
        let own = std::mem::take(&mut self.own);
        own.into_iter().chain(self.take_rest()).collect()
    }

    fn take_names(&mut self) -> Vec<String> {
        let (flags, names) = std::mem::take(&mut self.own).into_iter().partition(|word| word.starts_with('-'));
        self.own = flags;
        names
    }

    /// Part of the names of what is to run. One at most: who names two and has only the last one run would take the first
    /// for passed.
    fn filter(&mut self) -> Outcome<Option<String>> {
        let mut words = self.take_rest();
        if let [_, second, ..] = words.as_slice() {
            return Err(Failure::usage(format!("`{}` takes one filter, and `{second}` is another", self.command)));
        }
        Ok(words.pop())
    }

    /// Refuses what nobody has taken.
    fn finish(self) -> Outcome {
        let Some(word) = self.own.first().or(self.rest.first()) else {
            return Ok(());
        };
        let hint = match self.command.as_str() {
            "serve" => ": arguments for the server go after `--`",
            "test" => ": arguments for `cargo test` go after `--`",
            "loom" | "shuttle" | "fuzz" | "mutants" | "planted" => ": part of a name goes after `--`",
            _ => "",
        };
        Err(Failure::usage(format!("`{}` does not know `{word}`{hint}", self.command)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Outcome<Command> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn no_arguments_is_a_call_for_help() {
        assert_eq!(parsed(""), Ok(Command::Help));
    }

    #[test]
    fn what_follows_two_dashes_is_passed_on_untouched() {
        let rest = ["--config", "a.toml", "--no-install"].map(str::to_owned).to_vec();
        let expected = Command::Serve { install: true, build: Build::Release, rest };
        assert_eq!(parsed("serve --release -- --config a.toml --no-install"), Ok(expected));
    }

    #[test]
    fn a_server_is_built_in_one_of_three_ways() {
        let build = |line| match parsed(line) {
            Ok(Command::Serve { build, .. }) => Ok(build),
            other => Err(format!("{other:?}")),
        };
        assert_eq!(build("serve"), Ok(Build::Dev));
        assert_eq!(build("serve --native"), Ok(Build::Native));
        assert!(build("serve --native --release").is_err_and(|told| told.contains("not both")));
        assert!(matches!(parsed("bench engine --native"), Ok(Command::Bench { build: Build::Native, .. })));
    }

    #[test]
    fn installing_can_be_switched_off() {
        assert_eq!(parsed("test --no-install"), Ok(Command::Test { install: false, rest: Vec::new() }));
    }

    #[test]
    fn ci_takes_names_of_steps() {
        let steps = vec!["fmt".to_owned(), "docs".to_owned()];
        assert_eq!(parsed("ci fmt docs"), Ok(Command::Ci { install: true, steps }));
    }

    #[test]
    fn loom_can_be_complete_and_takes_a_filter() {
        let expected = Command::Loom { complete: true, filter: Some("cancel".to_owned()) };
        assert_eq!(parsed("loom --complete -- cancel"), Ok(expected));
    }

    #[test]
    fn a_value_follows_its_name() {
        let expected = Command::Shuttle { iterations: Some(500), filter: Some("storm".to_owned()) };
        assert_eq!(parsed("shuttle --iterations 500 -- storm"), Ok(expected));
        assert_eq!(parsed("shuttle"), Ok(Command::Shuttle { iterations: None, filter: None }));
        let (seed, filter) = (Some("5eed".to_owned()), Some("chats".to_owned()));
        assert_eq!(parsed("fuzz --cases 9 --seed 5eed -- chats"), Ok(Command::Fuzz { cases: Some(9), seed, filter }));
        let base = Some("main".to_owned());
        assert_eq!(parsed("mutants --in-diff main"), Ok(Command::Mutants { base, filter: None }));
        let filter = Some("slab.rs".to_owned());
        assert_eq!(parsed("mutants -- slab.rs"), Ok(Command::Mutants { base: None, filter }));
        assert_eq!(parsed("planted -- waker"), Ok(Command::Planted { filter: Some("waker".to_owned()) }));
        let what = vec!["locks".to_owned()];
        let bench = |pictures| Command::Bench {
            install: true,
            build: Build::Release,
            what: what.clone(),
            pictures,
            rest: vec![],
        };
        assert_eq!(parsed("bench locks"), Ok(bench(None)));
        assert_eq!(parsed("bench locks --svg pictures"), Ok(bench(Some("pictures".to_owned()))));
    }

    #[test]
    fn the_words_of_the_simulator_are_its_own() {
        let rest = ["--seed", "7", "--shrink"].map(str::to_owned).to_vec();
        assert_eq!(parsed("sim --seed 7 --shrink"), Ok(Command::Sim { rest }));
    }

    #[test]
    fn a_value_that_is_missing_or_no_number_is_refused() {
        for line in [
            "shuttle --iterations",
            "shuttle --iterations many",
            "shuttle --iterations -5",
            "mutants --in-diff",
            "bench --svg",
        ] {
            assert!(parsed(line).expect_err(line).message().contains("takes a "), "{line}");
        }
    }

    #[test]
    fn an_argument_without_a_home_is_refused_with_its_name() {
        for line in [
            "serve --port 1",
            "test cancel",
            "loom --bound 3",
            "ci --fast",
            "sdk -- x",
            "fly",
            "shuttle 5",
            "mutants 5",
        ] {
            let failure = parsed(line).expect_err(line);
            assert_eq!(failure, Failure::usage(failure.message().lines().next().unwrap_or("")), "{line}");
        }
        assert!(parsed("serve --port 1").unwrap_err().message().contains("go after `--`"));
        assert!(parsed("loom cancel").unwrap_err().message().contains("goes after `--`"));
    }

    #[test]
    fn a_second_filter_is_refused_with_its_name() {
        assert!(parsed("planted -- waker lane").unwrap_err().message().contains("`lane` is another"));
    }

    #[test]
    fn help_may_be_asked_for_after_a_command() {
        assert_eq!(parsed("mutants --help"), Ok(Command::Help));
        assert_ne!(parsed("serve -- --help"), Ok(Command::Help), "that is the server's");
    }

    #[test]
    fn whoever_forgets_the_dashes_is_told_where_a_filter_goes() {
        for command in ["loom", "shuttle", "fuzz", "mutants", "planted"] {
            let failure = parsed(&format!("{command} cancel")).expect_err(command);
            assert!(failure.message().contains("goes after `--`"), "{command}");
        }
    }

    const COMMANDS: [&str; 15] = [
        "serve", "test", "ci", "loom", "shuttle", "fuzz", "mutants", "planted", "bench", "check", "canaries", "timing",
        "verify", "sim", "sdk",
    ];

    #[test]
    fn help_names_every_command_every_benchmark_and_every_step() {
        let benches = crate::bench::NAMES.map(|name| format!("bench    {name}"));
        for entry in COMMANDS.map(str::to_owned).iter().chain(&benches) {
            assert!(HELP.lines().any(|line| line.starts_with(&format!("  {entry} "))), "{entry}");
        }
        for name in crate::ci::names() {
            assert!(HELP.contains(name), "{name}");
        }
    }

    #[test]
    fn contributing_names_every_command_every_benchmark_and_every_step() {
        let page = include_str!("../../CONTRIBUTING.md");
        let benches = crate::bench::NAMES.map(|name| format!("bench {name}"));
        for entry in COMMANDS.map(str::to_owned).iter().chain(&benches) {
            let is_named = |line: &str| line.contains(&format!("cargo xtask {entry}"));
            assert!(page.lines().any(is_named), "{entry}");
        }
        let steps = page.lines().find(|line| line.contains("cargo xtask ci STEP")).expect("a row on the steps");
        for name in crate::ci::names() {
            assert!(steps.split([' ', '`', ',']).any(|word| word == name), "{name}");
        }
    }
}
