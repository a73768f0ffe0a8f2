//! How a command of xtask ends when it does not end well.

use std::fmt::Display;
use std::process::{ExitCode, ExitStatus};

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command stopped, and with which exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    /// Empty when the program that failed has already said why.
    message: String,
}

impl Failure {
    /// Something that the reader can mend; the message says how. Exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// A command line that makes no sense. Exit code 2, as everywhere.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { code: 2, message: format!("{message}\n`cargo xtask` lists the commands.") }
    }

    /// A program that we ran has failed and has said why itself; its exit code becomes ours.
    pub(crate) fn child(status: ExitStatus) -> Self {
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        let message = match status.code() {
            Some(_) => String::new(),
            None => format!("ended by a signal: {status}"),
        };
        Self { code, message }
    }

    /// Prints the message and turns the failure into the exit code of the process.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("xtask: {}", self.message);
        }
        ExitCode::from(self.code)
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
