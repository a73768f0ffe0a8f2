//! What the set-up check may ask about the machine it runs on.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// Answers questions; changes nothing. Tests have a machine of their own making.
pub(super) trait Machine {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<OsString>;
    /// The names in a folder; none if it is not there.
    fn names_in(&self, folder: &Path) -> Vec<String>;
    /// What a program prints; `None` if it is not there or fails.
    fn output(&self, program: &str, arguments: &[&str]) -> Option<String>;
    /// Whether `program`, a name or a path, can be started.
    fn has_program(&self, program: &str) -> bool;
    /// `linux`, `macos`, ... as Rust calls them.
    fn os(&self) -> &'static str;
}

/// The real one.
pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }

    fn names_in(&self, folder: &Path) -> Vec<String> {
        let Ok(entries) = folder.read_dir() else {
            return Vec::new();
        };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn has_program(&self, program: &str) -> bool {
        // `join` keeps an absolute path as it is.
        let path = self.variable("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
    }

    fn os(&self) -> &'static str {
        std::env::consts::OS
    }
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// A machine that exists only in a test.
#[cfg(test)]
pub(super) mod fake {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[derive(Clone)]
    pub(crate) struct Fake {
        pub(crate) os: &'static str,
        pub(crate) variables: BTreeMap<&'static str, &'static str>,
        pub(crate) files: BTreeSet<&'static str>,
        /// What programs on PATH print, by their whole command line. A program is there if a line
        /// begins with it.
        pub(crate) programs: BTreeMap<&'static str, &'static str>,
    }

    impl Fake {
        /// Debian with everything that is needed.
        pub(crate) fn complete() -> Self {
            let programs = [
                ("c++", ""),
                ("cmake --version", "cmake version 3.25.1\n"),
                ("make", ""),
                ("git", ""),
                ("apt-get", ""),
                ("id -u", "0\n"),
            ];
            let files = [
                "/usr/lib/llvm-14/lib/libclang.so.1",
                "/usr/lib/llvm-14/lib/libclang-cpp.so.14",
                "/usr/lib/llvm-14/lib/clang/14/include/stddef.h",
            ];
            Self { os: "linux", variables: BTreeMap::new(), files: files.into(), programs: programs.into() }
        }

        pub(crate) fn without(mut self, program: &str) -> Self {
            self.programs.retain(|line, _| line.split(' ').next() != Some(program));
            self.files.retain(|file| !file.contains(program));
            self
        }

        pub(crate) fn with_file(mut self, file: &'static str) -> Self {
            self.files.insert(file);
            self
        }

        pub(crate) fn with_program(mut self, line: &'static str, output: &'static str) -> Self {
            self.programs.insert(line, output);
            self
        }

        pub(crate) fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
            self.variables.insert(name, value);
            self
        }
    }

    impl Machine for Fake {
        fn variable(&self, name: &str) -> Option<OsString> {
            self.variables.get(name).map(OsString::from)
        }

        fn names_in(&self, folder: &Path) -> Vec<String> {
            let inside = self.files.iter().filter_map(|file| Path::new(file).strip_prefix(folder).ok());
            let names = inside.filter_map(|path| Some(path.components().next()?.as_os_str().to_str()?.to_owned()));
            names.collect::<BTreeSet<_>>().into_iter().collect()
        }

        fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
            let line = [&[program], arguments].concat().join(" ");
            self.programs.get(line.as_str()).map(|output| (*output).to_owned())
        }

        fn has_program(&self, program: &str) -> bool {
            self.programs.keys().any(|line| line.split(' ').next() == Some(program))
        }

        fn os(&self) -> &'static str {
            self.os
        }
    }
}
