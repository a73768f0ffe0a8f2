//! What must not compile does not, and for the reason it should.
//!
//! Each file in `fail` is one wrong program, beside the compiler's whole answer. Its twin of the same name in `pass` differs
//! from it by one line, compiles and runs, so nothing but that line is at fault. (A `compile_fail` doctest would pass
//! whatever the error is: the stable compiler ignores the code that is written beside it.)
//!
//! `TRYBUILD=overwrite cargo test -p model-locks-compile-fail` writes the answers anew after an update of the compiler.
//! Read the difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn wrong_programs_are_refused() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/fail/*.rs");
    cases.pass("tests/pass/*.rs");
}

#[test]
fn each_wrong_program_has_a_right_twin() {
    assert_eq!(names("fail"), names("pass"));
    assert!(names("fail").len() >= 4, "the cases have gone");
}

/// Method: what two twins have in common at their beginnings and at their ends is all but one line, comments apart.
#[test]
fn twins_differ_by_one_line() {
    for name in names("fail") {
        let (wrong, right) = (lines("fail", &name), lines("pass", &name));
        let before = wrong.iter().zip(&right).take_while(|(one, other)| one == other).count();
        let (wrong, right) = (&wrong[before..], &right[before..]);
        let after = wrong.iter().rev().zip(right.iter().rev()).take_while(|(one, other)| one == other).count();
        let differing = wrong.len().max(right.len()) - after;
        assert_eq!(differing, 1, "{name}: {wrong:#?} {right:#?}");
    }
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path(folder)).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".rs")).collect()
}

fn lines(folder: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(path(folder).join(name)).expect("it can be read");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
}

fn path(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)
}
