//! What is needed, and what of it is missing.

use super::Tools;
use super::libclang::{self, Libclang};
use super::machine::Machine;

/// The oldest cmake that llama.cpp accepts.
const CMAKE_OLDEST: (u32, u32) = (3, 14);

/// Something that building llama.cpp takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    Compiler,
    Cmake,
    Make,
    Libclang,
    Git,
}

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Compiler => "C++ compiler",
            Self::Cmake => "cmake",
            Self::Make => "make",
            Self::Libclang => "libclang",
            Self::Git => "git",
        }
    }
}

/// A tool that is not there, or not as it has to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) tool: Tool,
    pub(super) why: String,
}

/// Looks for every tool.
///
/// # Errors
/// All that are missing, each with what it is needed for.
pub(super) fn look(machine: &dyn Machine) -> Result<Tools, Vec<Missing>> {
    let (clang, tools) = match libclang::find(machine) {
        Libclang::Found { tell_the_build } => (None, Tools { libclang_path: tell_the_build }),
        Libclang::Missing(why) => (Some(why), Tools::default()),
    };
    let findings = [
        (Tool::Compiler, compiler(machine)),
        (Tool::Cmake, cmake(machine)),
        (Tool::Make, make(machine)),
        (Tool::Libclang, clang),
        (Tool::Git, git(machine)),
    ];
    let missing = findings.into_iter().filter_map(|(tool, why)| Some(Missing { tool, why: why? }));
    let missing = missing.collect::<Vec<_>>();
    if missing.is_empty() { Ok(tools) } else { Err(missing) }
}

/// The build asks for `c++` unless `CXX` says otherwise; a `g++` or `clang++` under its own name
/// only is not found.
fn compiler(machine: &dyn Machine) -> Option<String> {
    let chosen = machine.variable("CXX").and_then(|value| value.into_string().ok());
    let line = chosen.as_deref().unwrap_or("c++");
    // `CXX` may hold arguments or a wrapper before the compiler: `ccache g++`.
    let program = line.split_whitespace().next().unwrap_or(line);
    if machine.has_program(program) {
        return None;
    }
    let mut why = format!("compiles llama.cpp; there is no `{program}`");
    if let Some(other) = ["g++", "clang++"].into_iter().find(|other| machine.has_program(other)) {
        why.push_str(&format!(" (but a `{other}`: with CXX={other} it is used)"));
    }
    Some(why)
}

fn cmake(machine: &dyn Machine) -> Option<String> {
    let (major, minor) = CMAKE_OLDEST;
    let Some(output) = machine.output("cmake", &["--version"]) else {
        return Some("configures llama.cpp; there is no `cmake`".to_owned());
    };
    match cmake_version(&output) {
        Some(version) if version >= CMAKE_OLDEST => None,
        _ => Some(format!("{major}.{minor} or later is needed; here is {}", output.lines().next().unwrap_or("?"))),
    }
}

/// Major and minor of `cmake version 3.25.1`.
fn cmake_version(output: &str) -> Option<(u32, u32)> {
    let mut numbers = output.split_whitespace().nth(2)?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Either will do for cmake, but it takes ninja only if told to.
fn make(machine: &dyn Machine) -> Option<String> {
    let ninja = machine.variable("CMAKE_GENERATOR").is_some_and(|value| value == "Ninja");
    let found = machine.has_program("make") || machine.has_program("gmake");
    if found || (ninja && machine.has_program("ninja")) {
        return None;
    }
    let hint = if machine.has_program("ninja") { " (ninja is: with CMAKE_GENERATOR=Ninja it is used)" } else { "" };
    Some(format!("runs what cmake has configured; there is no `make`{hint}"))
}

fn git(machine: &dyn Machine) -> Option<String> {
    let missing = !machine.has_program("git");
    missing.then(|| "llama.cpp's build asks it for a version; there is no `git`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::machine::fake::Fake;
    use super::*;

    fn missing(machine: &Fake) -> Vec<Tool> {
        look(machine).err().unwrap_or_default().into_iter().map(|missing| missing.tool).collect()
    }

    #[test]
    fn nothing_is_missing_on_a_complete_machine() {
        assert_eq!(look(&Fake::complete()), Ok(Tools::default()));
    }

    #[test]
    fn each_missing_tool_is_noticed_alone() {
        let cases = [
            ("c++", Tool::Compiler),
            ("cmake", Tool::Cmake),
            ("make", Tool::Make),
            ("libclang", Tool::Libclang),
            ("git", Tool::Git),
        ];
        for (program, tool) in cases {
            assert_eq!(missing(&Fake::complete().without(program)), [tool], "{program}");
        }
    }

    #[test]
    fn an_old_cmake_counts_as_missing() {
        let machine = |version| Fake::complete().with_program("cmake --version", version);
        assert_eq!(missing(&machine("cmake version 3.13.4\n")), [Tool::Cmake]);
        assert_eq!(missing(&machine("cmake version 3.14.0-rc1\n")), []);
        assert_eq!(missing(&machine("cmake version 4.0.2\n")), []);
        assert_eq!(missing(&machine("nonsense")), [Tool::Cmake]);
    }

    #[test]
    fn a_compiler_named_by_cxx_will_do() {
        let machine = Fake::complete().without("c++").with_program("clang++", "");
        assert_eq!(missing(&machine), [Tool::Compiler], "nobody would look for clang++");
        assert_eq!(missing(&machine.with_variable("CXX", "clang++ -m64")), []);
    }

    #[test]
    fn ninja_will_do_for_who_chose_it() {
        let machine = Fake::complete().without("make").with_program("ninja", "");
        assert_eq!(missing(&machine), [Tool::Make], "cmake would not take ninja by itself");
        assert_eq!(missing(&machine.with_variable("CMAKE_GENERATOR", "Ninja")), []);
    }
}
