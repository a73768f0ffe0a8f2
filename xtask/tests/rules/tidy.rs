//! What no compiler and no linter objects to.

use crate::files::{self, File};

/// Code that does not belong in this repository, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("thread::sleep", "wait for the event itself; in async code tokio::time::sleep, which tests can pause"),
    ("todo!", "finish it, or return an error that says what is not supported"),
    ("unimplemented!", "finish it, or return an error that says what is not supported"),
    ("dbg!", "use tracing, or take it out"),
    ("#[ignore", "make the test reliable; one that nobody runs proves nothing"),
    ("#[allow(", "use #[expect(..., reason = \"...\")], which complains when it is no longer needed"),
    ("#![allow(", "use #![expect(..., reason = \"...\")], which complains when it is no longer needed"),
];

/// Where the machines of developers keep their files.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/"];

/// From here on a file has a second subject that could be found.
const LINES_MAX: usize = 450;

/// A place that may break a rule, and why.
struct Exception {
    file: &'static str,
    /// The text that is allowed there, or [`LENGTH`].
    of: &'static str,
    reason: &'static str,
}

const LENGTH: &str = "length";

const EXCEPTIONS: &[Exception] =
    &[Exception { file: "xtask/src/setup/libclang.rs", of: "/home/", reason: "where Homebrew is on Linux" }];

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    of: &'static str,
    message: String,
}

fn violations(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    // This file would find itself.
    let is_self = file!().ends_with(&file.path);
    if file.path.ends_with(".rs") && !is_self {
        found.extend(banned(file));
        found.extend(length(file));
        found.extend(header(file));
    }
    if !is_self {
        found.extend(homes(file));
    }
    found
}

fn banned(file: &File) -> Vec<Violation> {
    let lines = (1..).zip(file.text.lines());
    lines
        .flat_map(|(number, line)| {
            let hits = BANNED.iter().filter(move |(text, _)| contains_code(line, text));
            hits.map(move |(text, instead)| violation(file, text, format!("line {number}: `{text}`: {instead}")))
        })
        .collect()
}

/// Whether `text` stands in the code of `line`, as a word of its own and not in a comment.
fn contains_code(line: &str, text: &str) -> bool {
    let is_comment = line.trim_start().starts_with("//");
    let code = line.split(" // ").next().unwrap_or(line);
    let starts_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    !is_comment && code.match_indices(text).any(|(at, _)| text.starts_with('#') || starts_word(at))
}

fn length(file: &File) -> Option<Violation> {
    let lines = file.text.lines().count();
    let message = format!("{lines} lines, more than {LINES_MAX}: look for the second subject in it");
    (lines > LINES_MAX).then(|| violation(file, LENGTH, message))
}

fn header(file: &File) -> Option<Violation> {
    let missing = file.path.ends_with("src/lib.rs") && !file.text.starts_with("//!");
    missing.then(|| violation(file, "header", "begin with `//!`: what the crate is for".to_owned()))
}

/// Absolute paths below a home; `target/work/` and `https://host/home/` are none.
fn homes(file: &File) -> Vec<Violation> {
    let lines = (1..).zip(file.text.lines());
    let begins = |line: &str, at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}*~)$".contains(c));
    lines
        .flat_map(|(number, line)| {
            let hits = HOMES.iter().filter(move |home| line.match_indices(**home).any(|(at, _)| begins(line, at)));
            hits.map(move |home| violation(file, home, format!("line {number}: a path of one machine only (`{home}`)")))
        })
        .collect()
}

fn violation(file: &File, of: &'static str, message: String) -> Violation {
    Violation { file: file.path.clone(), of, message }
}

fn is_excepted(violation: &Violation) -> bool {
    EXCEPTIONS.iter().any(|exception| exception.file == violation.file && exception.of == violation.of)
}

#[test]
fn files_are_tidy() {
    let files = files::with_endings(&["rs", "toml", "md", "yml", "yaml", "sh", "py"]);
    let found = files.iter().flat_map(violations).filter(|violation| !is_excepted(violation));
    let lines = found.map(|violation| format!("{}: {}\n", violation.file, violation.message)).collect::<String>();
    assert!(lines.is_empty(), "\n{lines}An exception, with its reason, goes to {}.", file!());
}

#[test]
fn every_exception_is_still_needed() {
    let found = files::with_endings(&["rs"]).iter().flat_map(violations).collect::<Vec<_>>();
    for exception in EXCEPTIONS {
        let needed = found.iter().any(|violation| violation.file == exception.file && violation.of == exception.of);
        assert!(needed, "{} no longer breaks `{}` ({})", exception.file, exception.of, exception.reason);
    }
}

/// The checker must be able to fail.
/// Method: a file for each rule that breaks it, and one that only looks like it.
#[test]
fn the_checker_objects_to_planted_violations() {
    let found = |path: &str, text: &str| {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        violations(&file).into_iter().map(|violation| violation.of).collect::<Vec<_>>()
    };
    for (text, _) in BANNED {
        assert_eq!(found("a.rs", &format!("fn f() {{\n    {text}x\n}}\n")), [*text]);
        assert_eq!(found("a.rs", &format!("    /// Never `{text}`.\n")), Vec::<&str>::new());
    }
    assert_eq!(found("a.rs", "std::thread::sleep(d); dbg!(d);"), ["thread::sleep", "dbg!"]);
    assert_eq!(found("a.rs", "my_todo!()"), Vec::<&str>::new());
    assert_eq!(found("a.rs", &"\n".repeat(LINES_MAX + 1)), [LENGTH]);
    assert_eq!(found("a.md", &"\n".repeat(LINES_MAX + 1)), Vec::<&str>::new());
    assert_eq!(found("crates/a/src/lib.rs", "pub mod b;\n"), ["header"]);
    assert_eq!(found("a.toml", "path = \"/home/me/model.gguf\"\n"), ["/home/"]);
    assert_eq!(found("a.md", "https://example.org/home/ and target/work/"), Vec::<&str>::new());
}
