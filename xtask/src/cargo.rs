//! Running cargo and other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::failure::{Failure, Outcome};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().map(Path::to_owned).unwrap_or_default()
}

/// The cargo that runs us, at the root of the repository, with `words` split at spaces as its
/// arguments.
pub(crate) fn cargo(words: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = program_at_root(program.as_ref());
    command.args(words.split_whitespace());
    command
}

/// A program that is started at the root of the repository.
pub(crate) fn program_at_root(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    forget_xtask(&mut command);
    command
}

/// Removes what `cargo run` has told xtask about xtask. Programs that ask "which package am I?"
/// would believe it.
fn forget_xtask(command: &mut Command) {
    let ours = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}

/// Runs `command` with our input and output.
///
/// # Errors
/// Its exit status, or that it could not be started.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::child(status)) }
}

/// Runs `command` to its end, whatever that is, and returns what it printed.
///
/// # Errors
/// Only that it could not be started.
pub(crate) fn capture(command: &mut Command) -> Outcome<Output> {
    command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))
}

/// Becomes `command`: signals, input and the exit status are its own from here on.
#[cfg(unix)]
pub(crate) fn become_program(command: &mut Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(not_started(command, &error))
}

/// Runs `command` and ends as it ends. (A process cannot be replaced here; the console tells both
/// about Ctrl-C.)
#[cfg(not(unix))]
pub(crate) fn become_program(command: &mut Command) -> Outcome {
    run(command)
}

/// Builds with `command`, a `cargo build` or `cargo test --no-run`, and returns the program that
/// its target `name` has become. Cargo says where it put it, so no layout of the target directory
/// is assumed.
///
/// # Errors
/// The build failed, or it made no program of that name.
pub(crate) fn build(command: &mut Command, name: &str) -> Outcome<PathBuf> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let child = command.spawn().map_err(|error| not_started(command, &error))?;
    let output = child.wait_with_output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return Err(Failure::child(output.status));
    }
    executable(&String::from_utf8_lossy(&output.stdout), name)
        .ok_or_else(|| Failure::new(format!("the build made no program named `{name}`; does its target still exist?")))
}

/// Builds the whole workspace and returns the program `edison`.
///
/// The whole, although the server alone would do: cargo picks the features of shared dependencies
/// per selection of packages, and `-p server` would give llama.cpp a second build beside the one
/// that the tests use.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_edison(release: bool, prepare: impl FnOnce(&mut Command)) -> Outcome<PathBuf> {
    let mut command = cargo("build --workspace");
    if release {
        command.arg("--release");
    }
    prepare(&mut command);
    build(&mut command, "edison")
}

/// Finds the path of `name` in cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let named = format!("\"name\":\"{name}\"");
    let line = messages.lines().find(|line| line.contains(&named) && line.contains("\"executable\":\""))?;
    let (_, path) = line.split_once("\"executable\":\"")?;
    // A JSON string; in a path only the backslashes of Windows are escaped.
    Some(path.split('"').next()?.replace(r"\\", r"\").into())
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` did not start: {error}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"server"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"edison"},"executable":"/t/edison"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "edison"), Some(PathBuf::from("/t/edison")));
        assert_eq!(executable(messages, "server"), None, "a library is no program");
        assert_eq!(executable(messages, "mock"), None);
    }

    #[test]
    fn the_path_of_windows_is_unescaped() {
        let messages = r#"{"target":{"name":"edison"},"executable":"C:\\t\\edison.exe"}"#;
        assert_eq!(executable(messages, "edison"), Some(PathBuf::from(r"C:\t\edison.exe")));
    }
}
