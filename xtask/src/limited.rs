//! Running a program that may never end by itself.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// How a program ended that had a limited time to do so.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: it did not end by itself and was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` for at most `limit` and returns what it printed.
///
/// # Errors
/// Only that it could not be run.
pub(crate) fn capture(command: &mut Command, limit: Duration) -> Outcome<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().display().to_string();
    let failed = |error: std::io::Error| Failure::new(format!("`{program}`: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let end = read_to_end(&mut child);
    let first = end.recv_timeout(limit);
    let in_time = first.is_ok();
    if !in_time {
        // It may have ended just now; then there is nothing to kill, and that is no error.
        drop(child.kill());
    }
    let (stdout, stderr) = first.or_else(|_| end.recv()).expect("the reader sends before it ends");
    let status = child.wait().map_err(failed)?;
    Ok(Ended { status: in_time.then_some(status), stdout, stderr })
}

/// What the program prints, once it has closed both of its outputs: when it ends, if not before.
fn read_to_end(child: &mut Child) -> Receiver<(String, String)> {
    let (sender, end) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::spawn(move || {
        let beside = thread::spawn(move || text(stderr));
        let stdout = text(stdout);
        let stderr = beside.join().unwrap_or_default();
        // Nobody listens if the caller has failed meanwhile.
        drop(sender.send((stdout, stderr)));
    });
    end
}

fn text(output: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is kept: it is for people to look at.
    drop(output.map(|mut output| output.read_to_end(&mut bytes)));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Ended {
        capture(Command::new("sh").args(["-c", script]), limit).expect("there is a shell")
    }

    #[test]
    fn a_program_that_ends_is_heard_to_its_end() {
        let ended = run("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_and_what_it_said_is_kept() {
        let ended = run("echo out; exec sleep 1000", Duration::from_millis(300));
        assert_eq!(ended.stdout, "out\n");
        assert!(ended.status.is_none());
    }
}
