//! Bans on calls of the engine's bindings name what there is.
//!
//! Clippy is told not to complain of paths that it cannot resolve, because most crates here do not know the bindings. So a
//! ban on a name that is misspelt, or that an update of the bindings has changed, would ban nothing, and nobody would say so.

use std::path::{Path, PathBuf};

use crate::engine::units;
use crate::files;

const BINDINGS: &str = "llama_cpp_2::";

/// The calls of the bindings that `clippy.toml` bans, without the name of the crate.
fn banned(bans: &str) -> Vec<&str> {
    let paths = bans.lines().filter_map(|line| line.split_once("path = \"")?.1.split('"').next());
    paths.filter_map(|path| path.strip_prefix(BINDINGS)).collect()
}

/// Whether `path`, some modules, a type and a function, is in the sources of the bindings.
fn exists(path: &str, source: &Path) -> bool {
    let mut names = path.split("::").collect::<Vec<_>>();
    let (Some(function), Some(kind)) = (names.pop(), names.pop()) else { return false };
    let module: PathBuf = names.iter().fold(source.to_owned(), |folder, name| folder.join(name));
    let beneath = module.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let files = beneath.chain([module.with_extension("rs")]);
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect::<Vec<_>>();
    let declares = |item: String| {
        let ends_there = |(_, rest): (&str, &str)| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        texts.iter().flat_map(|text| text.lines()).any(|line| line.split_once(&item).is_some_and(ends_there))
    };
    declares(format!("pub struct {kind}")) && declares(format!("pub fn {function}"))
}

/// Where the sources of the bindings lie that this repository is compiled with.
fn bindings() -> PathBuf {
    let units = units("check --workspace");
    let of_bindings = units.iter().filter(|unit| unit["pkg_id"].as_str().is_some_and(|id| id.contains("llama-cpp-2@")));
    let mut files = of_bindings.filter_map(|unit| unit["target"]["src_path"].as_str());
    let library = files.find(|file| file.ends_with("lib.rs")).expect("the engine has bindings");
    Path::new(library).parent().expect("a file lies in a folder").to_owned()
}

#[test]
fn what_is_banned_of_the_engines_bindings_exists() {
    let bans = std::fs::read_to_string(files::root().join("clippy.toml")).expect("the bans");
    let (banned, source) = (banned(&bans), bindings());
    assert!(banned.len() > 10, "this test no longer finds them");
    for path in banned {
        assert!(exists(path, &source), "{BINDINGS}{path} is not there");
    }
}

/// The checker must be able to fail.
#[test]
fn a_ban_of_what_is_not_there_is_seen() {
    let source = bindings();
    assert_eq!(banned("{ path = \"llama_cpp_2::a::B::c\", reason = \"d\" },\n{ path = \"e::f\" }"), ["a::B::c"]);
    assert!(exists("vocab::LlamaVocab::detokenize", &source));
    for wrong in
        ["vocab::LlamaVocab::detoken", "vocab::LlamaVoca::detokenize", "model::LlamaVocab::detokenize", "encode"]
    {
        assert!(!exists(wrong, &source), "{wrong}");
    }
}
