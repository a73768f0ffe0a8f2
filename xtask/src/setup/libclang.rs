//! Looking for libclang where bindgen, which loads it during the build, will look.
//!
//! Two traps. `libclang-cpp` is another library, which comes with compilers that have no libclang.
//! And a libclang without its own headers (`stddef.h` and the like) loads well and then fails in
//! the middle of the build.

use std::path::{Path, PathBuf};

use super::machine::Machine;

/// Where libclang is on Linux and the BSDs, as bindgen searches it.
const PLACES_LINUX: &[&str] = &[
    "/usr/lib*",
    "/usr/lib*/*",
    "/usr/lib*/*/*",
    "/usr/local/lib*",
    "/usr/local/lib*/*",
    "/usr/local/lib*/*/*",
    "/usr/local/llvm*/lib*",
];

/// Where it is on macOS, as bindgen searches it: Homebrew on Intel, the command line tools, Xcode.
const PLACES_MACOS: &[&str] = &[
    "/usr/local/opt/llvm*/lib",
    "/usr/local/opt/llvm*/lib/llvm*/lib",
    "/Library/Developer/CommandLineTools/usr/lib",
    "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
];

/// Where it is as well, but bindgen has to be told: Homebrew on Apple silicon and on Linux,
/// MacPorts.
const PLACES_TO_TELL: &[&str] =
    &["/opt/homebrew/opt/llvm*/lib", "/home/linuxbrew/.linuxbrew/opt/llvm*/lib", "/opt/local/libexec/llvm*/lib"];

/// The headers of clang on Linux, in folders next to the library (`{}`) or in those of the
/// distribution.
const HEADERS_LINUX: &[&str] =
    &["{}/clang/*/include", "/usr/lib*/clang/*/include", "/usr/lib*/llvm*/lib*/clang/*/include"];

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Libclang {
    /// With the folder to name in `LIBCLANG_PATH`, if the build would not find it alone.
    Found { tell_the_build: Option<PathBuf> },
    /// With the reason.
    Missing(String),
}

const FOUND: Libclang = Libclang::Found { tell_the_build: None };

/// Looks for libclang and for the headers that belong to it.
pub(super) fn find(machine: &dyn Machine) -> Libclang {
    // bindgen looks nowhere else when this is set.
    if let Some(chosen) = machine.variable("LIBCLANG_PATH") {
        return find_at(machine, Path::new(&chosen));
    }
    if let Some(folder) = first_with(machine, searched(machine)) {
        let complete = machine.os() != "linux" || has_headers(machine, &folder);
        return if complete { FOUND } else { Libclang::Missing(without_headers(&folder)) };
    }
    let told = PLACES_TO_TELL.iter().flat_map(|place| expand(machine, place));
    match first_with(machine, told) {
        Some(folder) => Libclang::Found { tell_the_build: Some(folder) },
        None => Libclang::Missing(without_library()),
    }
}

/// Headers are not looked for: who chooses a library knows best which headers go with it.
fn find_at(machine: &dyn Machine, chosen: &Path) -> Libclang {
    if is_at(machine, chosen) {
        return FOUND;
    }
    let chosen = chosen.display();
    Libclang::Missing(format!("reads llama.cpp's headers; there is none at LIBCLANG_PATH={chosen}"))
}

fn without_library() -> String {
    let names = "libclang.so or libclang.dylib (libclang-cpp is another library)";
    format!("reads llama.cpp's headers; there is no {names}")
}

fn without_headers(folder: &Path) -> String {
    format!("the library in {} lacks the headers of clang (stddef.h) that belong to it", folder.display())
}

/// The folders that bindgen searches by itself.
fn searched(machine: &dyn Machine) -> impl Iterator<Item = PathBuf> {
    let places = if machine.os() == "macos" { PLACES_MACOS } else { PLACES_LINUX };
    from_llvm_config(machine)
        .into_iter()
        .chain(from_xcode(machine))
        .chain(from_variables(machine))
        .chain(places.iter().flat_map(move |place| expand(machine, place)))
}

fn from_llvm_config(machine: &dyn Machine) -> Vec<PathBuf> {
    let program = machine.variable("LLVM_CONFIG_PATH").and_then(|value| value.into_string().ok());
    let program = program.as_deref().unwrap_or("llvm-config");
    let prefix = machine.output(program, &["--prefix"]).unwrap_or_default();
    let prefixes = prefix.lines().next().map(PathBuf::from).into_iter();
    prefixes.flat_map(|prefix| ["lib", "lib64", "bin"].map(|folder| prefix.join(folder))).collect()
}

fn from_xcode(machine: &dyn Machine) -> Option<PathBuf> {
    let path = (machine.os() == "macos").then(|| machine.output("xcode-select", &["--print-path"]))??;
    Some(Path::new(path.lines().next()?).join("Toolchains/XcodeDefault.xctoolchain/usr/lib"))
}

fn from_variables(machine: &dyn Machine) -> Vec<PathBuf> {
    let values = ["LD_LIBRARY_PATH", "LIBRARY_PATH"].into_iter().filter_map(|name| machine.variable(name));
    values.flat_map(|value| std::env::split_paths(&value).collect::<Vec<_>>()).collect()
}

fn first_with(machine: &dyn Machine, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().find(|folder| machine.names_in(folder).iter().any(|name| is_libclang(name)))
}

/// Whether `path` is the library or a folder that holds it.
fn is_at(machine: &dyn Machine, path: &Path) -> bool {
    let holds = |folder: &Path, wanted: &dyn Fn(&str) -> bool| {
        machine.names_in(folder).iter().any(|name| is_libclang(name) && wanted(name))
    };
    let itself = path.parent().zip(path.file_name());
    holds(path, &|_| true) || itself.is_some_and(|(folder, file)| holds(folder, &|name| file == name))
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`, `libclang.dylib`; not `libclang-cpp.so.14`,
/// not `libclangAST.a`.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang") else {
        return false;
    };
    let Some((version, end)) = rest.split_once(".so").or_else(|| rest.split_once(".dylib")) else {
        return false;
    };
    let number = version.strip_prefix('-').unwrap_or(version);
    number.chars().all(|c| c.is_ascii_digit() || c == '.') && (end.is_empty() || end.starts_with('.'))
}

fn has_headers(machine: &dyn Machine, library: &Path) -> bool {
    let places = HEADERS_LINUX.iter().map(|place| place.replace("{}", &library.to_string_lossy()));
    let mut folders = places.flat_map(|place| expand(machine, &place));
    folders.any(|folder| machine.names_in(&folder).iter().any(|name| name == "stddef.h"))
}

/// The folders that a pattern stands for; `*` is any text within one name.
fn expand(machine: &dyn Machine, pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        folders = match part.split_once('*') {
            None => folders.into_iter().map(|folder| folder.join(part)).collect(),
            Some((start, end)) => folders.iter().flat_map(|folder| matching(machine, folder, start, end)).collect(),
        };
    }
    folders
}

fn matching(machine: &dyn Machine, folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let fits = |name: &String| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    let mut names = machine.names_in(folder).into_iter().filter(fits).collect::<Vec<_>>();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::machine::fake::Fake;
    use super::*;

    fn bare() -> Fake {
        Fake::complete().without("clang")
    }

    #[test]
    fn libclang_cpp_is_not_libclang() {
        let names = ["libclang.so", "libclang.so.1", "libclang-14.so", "libclang-14.0.6.so.1", "libclang.dylib"];
        assert!(names.iter().all(|name| is_libclang(name)));
        let others =
            ["libclang-cpp.so.14", "libclang-cpp.so", "libclangAST.a", "libclang.a", "libclangd.so.1", "clang"];
        assert!(!others.iter().any(|name| is_libclang(name)));
        let machine = bare().with_file("/usr/lib/x86_64-linux-gnu/libclang-cpp.so.14");
        assert_eq!(find(&machine), Libclang::Missing(without_library()));
    }

    #[test]
    fn the_usual_folders_of_distributions_are_searched() {
        let cases = [
            ("/usr/lib/x86_64-linux-gnu/libclang-14.so.1", "/usr/lib/llvm-14/lib/clang/14/include/stddef.h"),
            ("/usr/lib64/libclang.so.18.1", "/usr/lib/clang/18/include/stddef.h"),
            ("/usr/lib/libclang.so", "/usr/lib/clang/18/include/stddef.h"),
            ("/usr/local/llvm17/lib/libclang.so", "/usr/local/llvm17/lib/clang/17/include/stddef.h"),
        ];
        for (library, header) in cases {
            assert_eq!(find(&bare().with_file(library).with_file(header)), FOUND, "{library}");
        }
    }

    #[test]
    fn a_library_without_its_headers_is_missing() {
        let machine = bare().with_file("/usr/lib/x86_64-linux-gnu/libclang-14.so.1");
        let why = without_headers(Path::new("/usr/lib/x86_64-linux-gnu"));
        assert_eq!(find(&machine), Libclang::Missing(why));
    }

    #[test]
    fn llvm_config_knows_odd_places() {
        let machine = bare().with_program("llvm-config --prefix", "/opt/llvm\n").with_file("/opt/llvm/lib/libclang.so");
        assert_eq!(find(&machine.with_file("/opt/llvm/lib/clang/18/include/stddef.h")), FOUND);
    }

    #[test]
    fn libclang_path_is_the_only_place_when_set() {
        let machine = Fake::complete().with_variable("LIBCLANG_PATH", "/opt/clang");
        let Libclang::Missing(why) = find(&machine) else { panic!("there is none") };
        assert!(why.contains("LIBCLANG_PATH=/opt/clang"), "{why}");
        assert_eq!(find(&machine.clone().with_file("/opt/clang/libclang.so")), FOUND);
        let file = machine.with_variable("LIBCLANG_PATH", "/opt/clang/libclang.so.18");
        assert_eq!(find(&file.with_file("/opt/clang/libclang.so.18")), FOUND);
    }

    #[test]
    fn the_build_is_told_where_homebrew_keeps_it() {
        let machine = Fake { os: "macos", ..bare() }.with_file("/opt/homebrew/opt/llvm/lib/libclang.dylib");
        let folder = PathBuf::from("/opt/homebrew/opt/llvm/lib");
        assert_eq!(find(&machine), Libclang::Found { tell_the_build: Some(folder) });
        let tools = machine.with_file("/Library/Developer/CommandLineTools/usr/lib/libclang.dylib");
        assert_eq!(find(&tools), FOUND, "Apple's own comes first");
    }

    #[test]
    fn a_star_stands_for_any_text_within_one_name() {
        let machine = Fake::complete();
        let folder = PathBuf::from("/usr/lib/llvm-14/lib/clang/14/include");
        assert_eq!(expand(&machine, "/usr/lib*/llvm-*/lib/clang/*/include"), [folder]);
        assert_eq!(expand(&machine, "/usr/lib64*/*"), Vec::<PathBuf>::new());
    }
}
