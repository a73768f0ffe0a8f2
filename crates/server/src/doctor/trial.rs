//! The trial of a file, from outside: starts the child, waits, and reads what it found.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a trial may take. Reading a large file from a slow disk takes minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) file: PathBuf,
    /// Adapters that are tried with it.
    pub(super) adapters: Vec<PathBuf>,
    /// 0 is what the model was trained with.
    pub(super) context_len: u32,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(super) enum Trial {
    /// The file was loaded, and answered.
    Passed(Found),
    /// The file was refused in good order.
    Refused {
        /// Why.
        reason: String,
    },
    /// The process died of it.
    Died {
        /// A signal or an exit code, and its last words.
        how: String,
    },
    /// It gave no answer in time, and was ended.
    Hung {
        /// How long it had.
        seconds: u64,
    },
}

/// What was found in a file that is usable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) parameters: u64,
    pub(super) context_len: u32,
    pub(super) memory: Option<Memory>,
    /// What it can do besides answering.
    pub(super) capabilities: Vec<String>,
    /// What was asked, and what it answered; `None` for a model that answers nothing.
    pub(super) reply: Option<String>,
    /// What it answered with each of its adapters, in their order.
    #[serde(default)]
    pub(super) adapted: Vec<String>,
    /// Numbers of a vector; `None` for a model that makes none.
    pub(super) vector_len: Option<usize>,
    /// The score of a document; `None` for a model that ranks none.
    #[serde(default)]
    pub(super) score: Option<f32>,
    /// What is not as it should be, and does not stop it.
    pub(super) remarks: Vec<String>,
}

/// Bytes that it takes, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) weights: u64,
    pub(super) cache: u64,
    pub(super) compute: u64,
}

impl Trial {
    /// As one line.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a trial is plain data")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
        let millions = self.parameters as f64 / 1e6;
        writeln!(f, "  {millions:.1} million parameters, context of {} tokens", self.context_len)?;
        if let Some(Memory { weights, cache, compute }) = self.memory {
            let (weights, cache, compute) = (weights.div_ceil(MIB), cache.div_ceil(MIB), compute.div_ceil(MIB));
            writeln!(f, "  memory, about: {weights} MiB of weights, {cache} of cache, {compute} to compute")?;
        }
        if !self.capabilities.is_empty() {
            writeln!(f, "  can do: {}", self.capabilities.join(", "))?;
        }
        if let Some(reply) = &self.reply {
            writeln!(f, "  asked \"Hello\", it answered {reply:?}")?;
        }
        for (adapter, reply) in self.adapted.iter().enumerate() {
            writeln!(f, "  with adapter {adapter} it answered {reply:?}")?;
        }
        if let Some(len) = self.vector_len {
            writeln!(f, "  embeds texts as {len} numbers")?;
        }
        if let Some(score) = self.score {
            writeln!(f, "  scores \"Hello, world\" as {score} for \"Hello\"")?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "  note: {remark}"))
    }
}

/// Tries a file in a child.
///
/// # Cancel safety
/// Dropping the future ends the child.
///
/// # Errors
/// The child could not be started.
pub(super) async fn try_in_child(subject: &Subject) -> Result<Trial, String> {
    let Subject { file, adapters, context_len } = subject;
    let program = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let child = Command::new(program)
        .args(["doctor", "--child", "--context-len", &context_len.to_string()])
        .args(adapters.iter().flat_map(|adapter| [OsStr::new("--adapter"), adapter.as_os_str()]))
        .arg("--")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("no process to try it in: {error}"))?;
    match timeout(PATIENCE, child.wait_with_output()).await {
        Err(_) => Ok(Trial::Hung { seconds: PATIENCE.as_secs() }),
        Ok(Err(error)) => Err(format!("the process that tries it: {error}")),
        Ok(Ok(output)) => Ok(read(output.status, &output.stdout, &output.stderr)),
    }
}

/// What a child that has ended found.
fn read(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Trial {
    let found = String::from_utf8_lossy(stdout).lines().rev().find_map(|line| serde_json::from_str(line).ok());
    // A finding counts only where its process ended well: it may die while it frees what it loaded.
    match found.filter(|_| status.success()) {
        Some(trial) => trial,
        None => {
            let words = String::from_utf8_lossy(stderr);
            let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("without a word");
            Trial::Died { how: format!("{status}: {last}") }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::{Found, Trial, read};

    fn line(trial: &Trial) -> Vec<u8> {
        format!("noise\n{}\n", trial.to_line()).into_bytes()
    }

    #[test]
    fn what_a_child_found_is_read_back() {
        let found = Found { parameters: 7, reply: Some("Hi".into()), ..Found::default() };
        for trial in [Trial::Passed(found), Trial::Refused { reason: "it is empty".into() }] {
            assert_eq!(read(ExitStatus::from_raw(0), &line(&trial), b"some log\n"), trial);
        }
    }

    /// A process that dies after it has told its finding has died all the same.
    #[test]
    fn a_child_that_died_is_told_with_its_last_words() {
        let trial = Trial::Passed(Found::default());
        for stdout in [Vec::new(), line(&trial)] {
            let died = read(ExitStatus::from_raw(6), &stdout, b"loading\nGGML_ASSERT(x) failed\n\n");
            let Trial::Died { how } = died else { panic!("{died:?}") };
            assert!(how.contains("signal: 6") && how.ends_with("GGML_ASSERT(x) failed"), "{how}");
        }
    }
}
