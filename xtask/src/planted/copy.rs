//! The copy of the lock in which bugs are planted. A run that is killed leaves nothing behind in the
//! checkout, and the next one mends the copy.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::list::{Bug, Layer};
use crate::cargo;
use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};

/// The crate, relative to the repository and to its copy.
const LOCK: &str = "crates/model-locks";

/// A workspace with the lock as its only member.
pub(super) struct Copy {
    root: PathBuf,
}

impl Copy {
    /// Makes it, or brings it up to date.
    pub(super) fn make() -> Outcome<Self> {
        let copy = Self { root: folder().join("copy") };
        mirror(&cargo::root().join(LOCK), &copy.root.join(LOCK)).map_err(|error| failed(&copy.root, &error))?;
        let manifest = read(&cargo::root().join("Cargo.toml"))?;
        write(&copy.root.join("Cargo.toml"), &alone(&manifest).map_err(Failure::new)?)?;
        // Cargo takes the rest of the workspace off it.
        write(&copy.root.join("Cargo.lock"), &read(&cargo::root().join("Cargo.lock"))?)?;
        Ok(copy)
    }

    /// Whether the place of this bug is there.
    pub(super) fn check(&self, bug: &Bug) -> Result<(), String> {
        let text =
            fs::read_to_string(self.file(bug)).map_err(|error| format!("{}: {}: {error}", bug.name, bug.file))?;
        bug.plant(&text).map(drop)
    }

    /// Plants a bug for as long as `work` takes.
    pub(super) fn with<R>(&self, bug: &Bug, work: impl FnOnce() -> Outcome<R>) -> Outcome<R> {
        let file = self.file(bug);
        let sound = read(&file)?;
        write(&file, &bug.plant(&sound).map_err(Failure::new)?)?;
        let result = work();
        write(&file, &sound)?;
        result
    }

    /// Compiles the tests of a layer and returns their program.
    ///
    /// Each way of compiling has a target directory of its own. Warnings are of no interest: a bug may
    /// well leave something unused.
    pub(super) fn build(&self, layer: Layer) -> Outcome<PathBuf> {
        let (program, target, folder, flags) = match layer {
            Layer::Lib => ("model_locks", "--lib", "lib", ""),
            Layer::Shell => ("shell", "--test=shell", "shell", ""),
            Layer::Loom => ("loom", "--test=loom", "loom", Checker::Loom.flag()),
            Layer::Shuttle => ("shuttle", "--test=shuttle", "shuttle", Checker::Shuttle.flag()),
        };
        let mut command = cargo::cargo("test --quiet --package model-locks --no-run --profile");
        // Only the histories of the core are so many that they must be optimised.
        command.arg(if layer == Layer::Lib { "mutants" } else { "planted" });
        command.arg(target).current_dir(&self.root);
        let inherited = std::env::var("RUSTFLAGS").unwrap_or_default();
        command.env("RUSTFLAGS", format!("{inherited} --cap-lints allow {flags}").trim());
        command.env("CARGO_TARGET_DIR", self.root.with_file_name(folder));
        cargo::build(&mut command, program)
    }

    fn file(&self, bug: &Bug) -> PathBuf {
        self.root.join(LOCK).join(&bug.file)
    }
}

fn folder() -> PathBuf {
    crate::checkers::target_directory("planted")
}

/// The manifest of the workspace without the other members.
fn alone(manifest: &str) -> Result<String, String> {
    let is_members = |line: &&str| line.starts_with("members = [") && line.ends_with(']');
    let line = manifest.lines().find(is_members).ok_or("Cargo.toml has no line `members = [...]`")?;
    Ok(manifest.replacen(line, &format!("members = [\"{LOCK}\"]"), 1))
}

/// Makes `to` the same as `from`. A file that is the same already is not touched, so that cargo does not
/// take it for a change.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let wanted = names(from)?;
    for name in names(to)?.difference(&wanted) {
        let old = to.join(name);
        if old.is_dir() { fs::remove_dir_all(old)? } else { fs::remove_file(old)? }
    }
    for name in &wanted {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            mirror(&from, &to)?;
        } else if !fs::read(&to).is_ok_and(|there| fs::read(&from).is_ok_and(|here| here == there)) {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| failed(file, &error))
}

/// Writes a file unless it is the same already.
fn write(file: &Path, text: &str) -> Outcome {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(file, text).map_err(|error| failed(file, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_of_the_copy_has_one_member() {
        let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"tests\"]\n\n[profile.dev]\n";
        let expected = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/model-locks\"]\n\n[profile.dev]\n";
        assert_eq!(alone(manifest), Ok(expected.to_owned()));
        assert!(alone("[package]").is_err());
        assert!(alone(&read(&cargo::root().join("Cargo.toml")).unwrap()).is_ok());
    }

    /// Every bug in the repository's list has its place in the source as it is now.
    #[test]
    fn no_planted_bug_is_stale() {
        let stale = |bug: &Bug| bug.plant(&read(&cargo::root().join(LOCK).join(&bug.file)).unwrap()).err();
        let stale = super::super::listed().unwrap().iter().filter_map(stale).collect::<Vec<_>>();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
    }
}
