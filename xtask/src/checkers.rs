//! Compiling the lock for the programs that check it: loom and shuttle.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::failure::Outcome;

/// A program that plays the threads of a test in an order of its choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checker {
    Loom,
    Shuttle,
}

impl Checker {
    pub(crate) const ALL: [Self; 2] = [Self::Loom, Self::Shuttle];

    /// Also the name of its tests' program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }

    /// The flag by which the lock is compiled for it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Loom => "--cfg model_locks_loom",
            Self::Shuttle => "--cfg model_locks_shuttle",
        }
    }

    /// Cargo for the lock in this form, in a target directory of its own: `RUSTFLAGS` reaches every crate,
    /// and sharing one directory would rebuild everything each time this command and another take turns.
    pub(crate) fn cargo(self, words: &str) -> Command {
        let mut command = cargo::cargo(words);
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        command.env("RUSTFLAGS", format!("{flags} {}", self.flag()).trim());
        command.env("CARGO_TARGET_DIR", target_directory(self.name()));
        command
    }

    /// Builds its tests and returns their program.
    pub(crate) fn build(self) -> Outcome<PathBuf> {
        let words = format!("test --package model-locks --release --test {} --no-run", self.name());
        cargo::build(&mut self.cargo(&words), self.name())
    }

    /// Lints the lock in this form; the ordinary run sees none of it.
    pub(crate) fn clippy(self) -> Outcome {
        cargo::run(&mut self.cargo("clippy --package model-locks --lib --tests -- -D warnings"))
    }
}

/// A target directory beside the ordinary one's profiles.
pub(crate) fn target_directory(name: &str) -> PathBuf {
    let shared = std::env::var_os("CARGO_TARGET_DIR").map(Into::into);
    shared.unwrap_or_else(|| cargo::root().join("target")).join(name)
}
