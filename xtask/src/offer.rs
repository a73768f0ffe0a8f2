//! The lock as a crate of its own: what somebody relies on who takes it alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::{cargo, stopwatch, table};

const FOLDER: &str = "crates/model-locks";

/// Runs every example, twice. Each must end well, say something, and say the same again.
pub(crate) fn examples() -> Outcome {
    let names = examples_in(&cargo::root().join(FOLDER).join("examples"))?;
    if names.is_empty() {
        return Err(Failure::new("there is no example to run"));
    }
    let mut rows = vec![["example", "lines", "time"].map(str::to_owned).to_vec()];
    for name in &names {
        let mut build = cargo::cargo("build --quiet -p model-locks --example");
        let program = cargo::build(build.arg(name), name)?;
        let (said, took) = stopwatch::timed(|| said(&program, name));
        let said = said?;
        judged(name, &said, &self::said(&program, name)?)?;
        rows.push(vec![name.clone(), said.lines().count().to_string(), stopwatch::readable(took)]);
    }
    eprint!("{}", table::columns(&rows));
    Ok(())
}

fn examples_in(folder: &Path) -> Outcome<Vec<String>> {
    let failure = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failure)? {
        let name = entry.map_err(failure)?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".rs")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// What the program prints to its standard output.
fn said(program: &Path, name: &str) -> Outcome<String> {
    let output = cargo::capture(&mut cargo::program_at_root(program))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("the example `{name}` failed: {}\n{said}{errors}", output.status)))
}

fn judged(name: &str, first: &str, second: &str) -> Outcome {
    if first.trim().is_empty() {
        return Err(Failure::new(format!("the example `{name}` says nothing")));
    }
    if first != second {
        return Err(Failure::new(format!("the example `{name}` says this:\n{first}\nand then this:\n{second}")));
    }
    Ok(())
}

/// Makes the file that would be published, and builds the crate from it.
pub(crate) fn package() -> Outcome {
    let mut command = cargo::cargo("package -p model-locks");
    // At a desk there are changes that are not committed yet. The CI service has a clean copy, and what is not in it must
    // not be in the package.
    if std::env::var_os("CI").is_none() {
        command.arg("--allow-dirty");
    }
    cargo::run(&mut command)
}

/// Tests the lock with the oldest compiler that it claims to support, which is fetched if it is not here.
pub(crate) fn msrv() -> Outcome {
    let manifest = cargo::root().join(FOLDER).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| Failure::new(format!("{FOLDER}: {error}")))?;
    let version = rust_version(&text).ok_or_else(|| Failure::new(format!("{FOLDER} claims no `rust-version`")))?;
    cargo::run(rustup().args(["run", "--install", version]).args(words("cargo test --locked -p model-locks")))
}

/// The version that a manifest claims for its own package.
fn rust_version(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

/// Runs the tests in an interpreter that knows what the language leaves undefined, and every thread of theirs.
///
/// Not the exhaustive ones, which play millions of histories; and of the long random ones, one.
pub(crate) fn miri() -> Outcome {
    let test = "run nightly cargo miri test -p model-locks --lib --test shell -- --skip exhaustive";
    let mut command = rustup();
    command.args(words(test)).env("MODEL_LOCKS_SEED", "5eed10c5");
    // Some tests leak a lease or a wait on purpose, to show what becomes of its lane.
    command.env("MIRIFLAGS", "-Zmiri-env-forward=MODEL_LOCKS_SEED -Zmiri-ignore-leaks");
    cargo::run(&mut command)
}

/// Compares the interface with the one of the last release.
pub(crate) fn semver() -> Outcome {
    if !cargo::capture(&mut cargo::cargo("semver-checks --version"))?.status.success() {
        return Err(Failure::new("cargo-semver-checks is not here: `cargo install --locked cargo-semver-checks`"));
    }
    let Some(release) = release()? else {
        eprintln!("nothing has been released yet, so the interface may change");
        return Ok(());
    };
    cargo::run(cargo::cargo("semver-checks -p model-locks --baseline-rev").arg(release))
}

/// The latest tag of a release of the lock, or what `MODEL_LOCKS_BASELINE` says instead.
fn release() -> Outcome<Option<String>> {
    if let Ok(revision) = std::env::var("MODEL_LOCKS_BASELINE") {
        return Ok(Some(revision));
    }
    let mut git = cargo::program_at_root(Path::new("git"));
    let output = cargo::capture(git.args(words("describe --tags --abbrev=0 --match model-locks-v*")))?;
    let tag = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Some(tag).filter(|tag| output.status.success() && !tag.is_empty()))
}

fn rustup() -> Command {
    cargo::program_at_root(Path::new("rustup"))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_must_say_something_and_the_same_again() {
        assert!(judged("a", "six served\n", "six served\n").is_ok());
        assert!(judged("a", "\n", "\n").unwrap_err().message().contains("says nothing"));
        assert!(judged("a", "1, 2\n", "2, 1\n").unwrap_err().message().contains("and then this"));
    }

    #[test]
    fn the_claimed_version_is_found_and_an_inherited_one_is_none() {
        assert_eq!(rust_version("[package]\nname = \"a\"\nrust-version = \"1.85\"\n"), Some("1.85"));
        assert_eq!(rust_version("[package]\nrust-version.workspace = true\n"), None);
    }

    /// The lock's own claim is what the command reads.
    #[test]
    fn the_lock_claims_a_version() {
        let manifest = fs::read_to_string(cargo::root().join(FOLDER).join("Cargo.toml")).expect("it is there");
        assert!(rust_version(&manifest).is_some());
    }
}
