//! How what is missing can be had: package managers and the names that they have for it.

use super::machine::Machine;
use super::needs::{Missing, Tool};

/// What to do about missing tools.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Commands to run one after another, each in words.
    Install(Vec<Vec<String>>),
    /// Nothing we could do; what the reader can.
    ByHand(String),
}

/// A package manager.
struct Manager {
    /// The program that shows it is there.
    program: &'static str,
    /// Runs first; a fresh container has no package lists.
    refresh: Option<&'static str>,
    /// The packages go to its end.
    install: &'static str,
    /// Whether it has to run as root; Homebrew refuses to.
    as_root: bool,
    /// `None`: it has no package that does it.
    package: fn(Tool) -> Option<&'static str>,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        refresh: Some("apt-get update"),
        // In words of `env`, because sudo does not pass the variable on.
        install: "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends",
        as_root: true,
        package: |tool| Some(names(tool, "g++", "libclang-dev")),
    },
    Manager {
        program: "dnf",
        refresh: None,
        install: "dnf install -y",
        as_root: true,
        package: |tool| Some(names(tool, "gcc-c++", "clang-devel")),
    },
    Manager {
        program: "pacman",
        refresh: None,
        // -y: a fresh container has no package lists.
        install: "pacman -Sy --needed --noconfirm",
        as_root: true,
        package: |tool| Some(names(tool, "gcc", "clang")),
    },
    Manager {
        program: "brew",
        refresh: None,
        install: "brew install",
        as_root: false,
        package: |tool| match tool {
            // Apple's, as make and git are; Homebrew itself cannot be there without them.
            Tool::Compiler => None,
            tool => Some(names(tool, "", "llvm")),
        },
    },
];

/// Most names are the same everywhere.
fn names(tool: Tool, compiler: &'static str, libclang: &'static str) -> &'static str {
    match tool {
        Tool::Compiler => compiler,
        Tool::Cmake => "cmake",
        Tool::Make => "make",
        Tool::Libclang => libclang,
        Tool::Git => "git",
    }
}

/// Decides how to get what is missing on this machine.
pub(super) fn make(missing: &[Missing], machine: &dyn Machine) -> Plan {
    let lacks_libclang = missing.iter().any(|missing| missing.tool == Tool::Libclang);
    if lacks_libclang && machine.variable("LIBCLANG_PATH").is_some() {
        // An installed one would not be looked at.
        return Plan::ByHand(format!("correct LIBCLANG_PATH, or unset it{AGAIN}"));
    }
    let Some(manager) = MANAGERS.iter().find(|manager| machine.has_program(manager.program)) else {
        return Plan::ByHand(unknown_system(missing, machine));
    };
    let packages = missing.iter().map(|missing| (manager.package)(missing.tool)).collect::<Option<Vec<_>>>();
    let Some(packages) = packages else {
        return Plan::ByHand(format!("install Apple's command line tools first: xcode-select --install{AGAIN}"));
    };
    let commands = commands(manager, &packages);
    let is_root = machine.output("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if is_root || !manager.as_root {
        Plan::Install(commands)
    } else if machine.has_program("sudo") {
        Plan::Install(commands.into_iter().map(|words| [vec!["sudo".to_owned()], words].concat()).collect())
    } else {
        let lines = commands.iter().map(|words| format!("\n  {}", words.join(" "))).collect::<String>();
        Plan::ByHand(format!("there is no sudo here; run as root:{lines}{AGAIN}"))
    }
}

const AGAIN: &str = "\nand then the same command again.";

fn commands(manager: &Manager, packages: &[&str]) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let install = words(&format!("{} {}", manager.install, packages.join(" ")));
    manager.refresh.map(words).into_iter().chain([install]).collect()
}

fn unknown_system(missing: &[Missing], machine: &dyn Machine) -> String {
    if machine.os() == "macos" {
        return format!("install Apple's command line tools (xcode-select --install) and cmake (brew.sh){AGAIN}");
    }
    let names = missing.iter().map(|missing| missing.tool.name()).collect::<Vec<_>>().join(", ");
    let known = MANAGERS.iter().map(|manager| manager.program).collect::<Vec<_>>().join(", ");
    format!("none of {known} is here, so please install by hand: {names}{AGAIN}")
}

#[cfg(test)]
mod tests {
    use super::super::machine::fake::Fake;
    use super::*;

    fn missing(tools: &[Tool]) -> Vec<Missing> {
        tools.iter().map(|tool| Missing { tool: *tool, why: String::new() }).collect()
    }

    fn lines(plan: Plan) -> Vec<String> {
        match plan {
            Plan::Install(commands) => commands.iter().map(|words| words.join(" ")).collect(),
            Plan::ByHand(advice) => panic!("{advice}"),
        }
    }

    fn on(manager: &'static str) -> Fake {
        Fake::complete().without("apt-get").with_program(manager, "")
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let plan = make(&missing(&[Tool::Cmake, Tool::Libclang]), &Fake::complete());
        let install = "env DEBIAN_FRONTEND=noninteractive apt-get install -y \
                       --no-install-recommends cmake libclang-dev";
        assert_eq!(lines(plan), ["apt-get update", install]);
    }

    #[test]
    fn each_manager_has_its_own_names() {
        let wanted = missing(&[Tool::Compiler, Tool::Libclang]);
        assert_eq!(lines(make(&wanted, &on("dnf"))), ["dnf install -y gcc-c++ clang-devel"]);
        assert_eq!(lines(make(&wanted, &on("pacman"))), ["pacman -Sy --needed --noconfirm gcc clang"]);
        assert_eq!(lines(make(&missing(&[Tool::Cmake]), &on("brew"))), ["brew install cmake"]);
    }

    #[test]
    fn everybody_but_root_needs_sudo() {
        let user = Fake::complete().with_program("id -u", "1000\n");
        let wanted = missing(&[Tool::Git]);
        let plan = make(&wanted, &user.clone().with_program("sudo", ""));
        assert!(lines(plan).iter().all(|line| line.starts_with("sudo ")));
        let Plan::ByHand(advice) = make(&wanted, &user) else { panic!("there is no sudo") };
        assert!(advice.contains("run as root") && advice.contains("apt-get update"), "{advice}");
    }

    #[test]
    fn homebrew_never_runs_as_root() {
        let user = on("brew").with_program("id -u", "501\n").with_program("sudo", "");
        assert_eq!(lines(make(&missing(&[Tool::Libclang]), &user)), ["brew install llvm"]);
    }

    #[test]
    fn a_wrong_libclang_path_is_not_mended_by_a_package() {
        let machine = Fake::complete().with_variable("LIBCLANG_PATH", "/nowhere");
        let Plan::ByHand(advice) = make(&missing(&[Tool::Libclang]), &machine) else {
            panic!("bindgen would still look at /nowhere only")
        };
        assert!(advice.contains("LIBCLANG_PATH"), "{advice}");
    }

    #[test]
    fn a_system_without_a_known_manager_gets_a_list() {
        let plan = make(&missing(&[Tool::Cmake, Tool::Compiler]), &Fake::complete().without("apt-get"));
        let Plan::ByHand(advice) = plan else { panic!("nothing can be installed") };
        assert!(advice.contains("cmake, C++ compiler"), "{advice}");
    }

    #[test]
    fn apples_compiler_comes_from_apple() {
        let Plan::ByHand(advice) = make(&missing(&[Tool::Compiler]), &on("brew")) else { panic!("brew has none") };
        assert!(advice.contains("xcode-select --install"), "{advice}");
    }
}
