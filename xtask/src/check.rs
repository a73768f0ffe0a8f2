//! `cargo xtask check`: `edison check` over real sockets. Our server passes, and servers with a planted fault do not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, setup, stopwatch, table};

/// A fault of `broken-server`, and the check that must fail on it.
struct Planted {
    fault: &'static str,
    check: &'static str,
    /// Also in the short form.
    is_usual: bool,
}

const PLANTED: &[Planted] = &[
    Planted { fault: "crossed", check: "crossed", is_usual: true },
    Planted { fault: "wrong-cancel", check: "leaver", is_usual: true },
    Planted { fault: "no-lock", check: "load", is_usual: true },
    Planted { fault: "swapped", check: "crossed", is_usual: false },
    Planted { fault: "cut", check: "cut", is_usual: false },
    Planted { fault: "goes-on", check: "cancelled", is_usual: false },
    Planted { fault: "starved", check: "health", is_usual: false },
    Planted { fault: "unbounded", check: "bound", is_usual: false },
];

/// The bound of the queue that a model has by default.
const QUEUE_MAX: &str = "64";

/// Builds, checks our server with the demo models, and then the faults: three of them, or with `complete` all.
pub(crate) fn run(install: bool, complete: bool) -> Outcome {
    let tools = setup::check(install)?;
    let edison = cargo::build_edison(false, |command| tools.apply(command))?;
    let broken = edison.with_file_name(if cfg!(windows) { "broken-server.exe" } else { "broken-server" });
    let reports = target_directory("check");
    std::fs::create_dir_all(&reports).map_err(|error| Failure::new(format!("{}: {error}", reports.display())))?;

    let server = Server::start(Command::new(&edison).args(["serve", "--listen", "127.0.0.1:0"]))?;
    println!("edison serve, the demo model fast:");
    let mut check = Command::new(&edison);
    check.args(["check", &server.url, "--model", "fast", "--queue-max", QUEUE_MAX]);
    cargo::run(check.args([
        "--json",
        &in_folder(&reports, "edison.json"),
        "--junit",
        &in_folder(&reports, "edison.xml"),
    ]))?;
    drop(server);

    let mut rows = vec![["fault", "failed", "time"].map(str::to_owned).to_vec()];
    let mut missed = Vec::new();
    for planted in PLANTED.iter().filter(|planted| complete || planted.is_usual) {
        let (found, took) = stopwatch::timed(|| planted.hunt(&edison, &broken, complete));
        let found = found?;
        if found != [planted.check] {
            missed.push(planted.fault);
        }
        rows.push(vec![planted.fault.to_owned(), found.join(", "), stopwatch::readable(took)]);
    }
    print!("\nbroken-server:\n{}", table::columns(&rows));
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not found, or not alone: {}", missed.join(", "))))
    }
}

fn in_folder(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

impl Planted {
    /// The names of the checks that fail. In the short form only the checks of words run, which are quick.
    fn hunt(&self, edison: &Path, broken: &Path, complete: bool) -> Outcome<Vec<String>> {
        let server = Server::start(Command::new(broken).args(["--fault", self.fault, "--token-ms", "2"]))?;
        let mut check = Command::new(edison);
        check.args(["check", &server.url, "--answer-timeout", "30", "--patience", "20"]);
        if !complete {
            check.args(["--only", "crossed,cut,load,leaver"]);
        }
        let output = cargo::capture(&mut check)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = failed(&printed);
        // The words and the exit code must agree.
        if output.status.code() != Some(i32::from(!failed.is_empty())) {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::new(format!("edison check ended with {}\n{printed}{errors}", output.status)));
        }
        Ok(failed)
    }
}

/// The checks that failed, out of what was printed.
fn failed(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("FAIL "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A server in a process of its own. It ends when this is dropped.
struct Server {
    child: Child,
    url: String,
    /// Kept open: a server whose output is closed may end.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    fn start(command: &mut Command) -> Outcome<Self> {
        let program = command.get_program().display().to_string();
        let failure = |what: &str| Failure::new(format!("`{program}` {what}"));
        // Its log would stand between our lines.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failure(&format!("did not start: {error}")))?;
        let mut output = BufReader::new(child.stdout.take().ok_or_else(|| failure("has no output"))?);
        let mut line = String::new();
        let read = output.read_line(&mut line);
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
        match (read, url) {
            (Ok(_), Some(url)) => Ok(Self { child, url, _output: output }),
            _ => {
                let _ended = child.kill();
                let _status = child.wait();
                Err(failure("did not say where it listens; run it by hand to see why"))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_checks_are_read_from_the_lines() {
        let printed =
            "pass          cut        x\nFAIL          crossed    21 of 24\n              FAIL is a detail\n1 failed\n";
        assert_eq!(failed(printed), ["crossed"]);
    }
}
