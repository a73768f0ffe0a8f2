//! README's table of promises names tests. They must exist, or the table is a wish.

use crate::files::{self, File};

/// The heading of the column that names the tests.
const COLUMN: &str = "proved by";

/// The promises that need a row: twelve of the lock, nine of the service.
fn promised() -> impl Iterator<Item = String> {
    let lock = (1..=12).map(|number| format!("L{number}"));
    lock.chain((1..=9).map(|number| format!("S{number}")))
}

/// One row: the promise's number, and what is said to prove it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    promise: String,
    proofs: Vec<String>,
    /// The cell says that the promise is still owed. That is honest, and better than a test that proves less.
    owed: bool,
}

/// How a cell begins that names no test because there is none.
const OWED: &str = "not yet";

/// The rows of every table with the column; there may be one for the lock and one for the service.
fn rows(readme: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut column = None;
    for line in readme.lines() {
        let cells = cells(line);
        match column {
            _ if cells.is_empty() => column = None,
            None => column = cells.iter().position(|cell| cell.to_lowercase() == COLUMN),
            Some(_) if is_rule(&cells) => {}
            Some(column) => rows.push(row(&cells, column)),
        }
    }
    rows
}

/// The cells of a table's line; none if it is not one.
pub(crate) fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inside.map(|line| line.split('|').map(str::trim).collect()).unwrap_or_default()
}

fn is_rule(cells: &[&str]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| c == '-' || c == ':'))
}

fn row(cells: &[&str], column: usize) -> Row {
    let first = cells.first().copied().unwrap_or_default();
    let promise = first.split_whitespace().next().unwrap_or_default();
    let cell = cells.get(column).copied().unwrap_or_default();
    // Every second piece between backticks is code.
    let proofs = cell.split('`').skip(1).step_by(2);
    Row {
        promise: promise.trim_matches(|c: char| !c.is_alphanumeric()).to_owned(),
        proofs: proofs.map(str::to_owned).collect(),
        owed: cell.starts_with(OWED),
    }
}

/// What is wrong with the table, a sentence each.
fn violations(readme: &str, files: &[File]) -> Vec<String> {
    let rows = rows(readme);
    if rows.is_empty() {
        return vec![format!("README.md has no table with a column \"{COLUMN}\"; it names a test for each promise")];
    }
    let absent = promised().filter(|promise| !rows.iter().any(|row| row.promise == *promise));
    let mut found = absent.map(|promise| format!("{promise} has no row")).collect::<Vec<_>>();
    for row in &rows {
        if row.proofs.is_empty() && !row.owed {
            found.push(format!("{} names no test in backticks, nor \"{OWED}\"", row.promise));
        }
        let wishes = row.proofs.iter().filter(|proof| !exists(proof, files));
        found.extend(wishes.map(|proof| format!("{}: there is no `{proof}`", row.promise)));
    }
    found
}

/// A proof is `test_name`, `crate_or_file::test_name`, or a file of compile-fail cases, `forge.rs`.
pub(crate) fn exists(proof: &str, files: &[File]) -> bool {
    if proof.ends_with(".rs") {
        let inside = format!("/{proof}");
        return files.iter().any(|file| file.path == proof || file.path.ends_with(&inside));
    }
    let (place, name) = proof.rsplit_once("::").unwrap_or(("", proof));
    let declaration = format!("fn {name}(");
    files.iter().any(|file| file.text.contains(&declaration) && is_in(&file.path, place))
}

/// Whether one of the names in `place` is a folder or a file in `path`. Modules inside a file have
/// no path.
fn is_in(path: &str, place: &str) -> bool {
    let same = |text: &str| text.replace('-', "_");
    let path = path.strip_suffix(".rs").unwrap_or(path).split('/').map(same).collect::<Vec<_>>();
    place.is_empty() || place.split("::").any(|name| path.contains(&same(name)))
}

#[test]
fn every_promise_in_the_readme_names_tests_that_exist() {
    let Ok(readme) = std::fs::read_to_string(files::root().join("README.md")) else {
        println!("skipped: there is no README.md yet");
        return;
    };
    let found = violations(&readme, &files::with_endings(&["rs"]));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

const FILE: &str = "crates/model-locks/tests/order.rs";

fn planted(readme: &str) -> Vec<String> {
    let text = "fn grants_follow_arrival() {}".to_owned();
    violations(readme, &[File { path: FILE.to_owned(), text }])
}

/// A table in which every promise but `missing` is proved.
fn table(missing: &str, last_row: &str) -> String {
    let kept = promised().filter(|promise| promise != missing);
    let rows = kept.map(|promise| format!("| **{promise}** x | y | `grants_follow_arrival` | `z` |\n"));
    let rows = rows.collect::<String>();
    format!("# Edison\n\n| promise | short | Proved by | run |\n|---|:-:|---|---|\n{rows}{last_row}\n")
}

#[test]
fn a_table_whose_tests_exist_is_accepted() {
    let rows = [
        "| **L3** order | y | `model-locks::grants_follow_arrival`, `order.rs` | `cargo test` |",
        "| L3 | y | `order::tests::grants_follow_arrival` | |",
        "| L3 | y | not yet: it needs two locks | |",
    ];
    for row in rows {
        assert_eq!(planted(&table("L3", row)), Vec::<String>::new(), "{row}");
    }
}

/// The checker must be able to fail.
/// Method: a row for each way in which a table can promise too much.
#[test]
fn the_checker_objects_to_planted_violations() {
    let cases = [
        ("| **L3** order | y | `renamed` | z |", "L3: there is no `renamed`"),
        (
            "| **L3** order | y | `serving::grants_follow_arrival` | z |",
            "L3: there is no `serving::grants_follow_arrival`",
        ),
        ("| **L3** order | y | `gone.rs` | z |", "L3: there is no `gone.rs`"),
        ("| **L3** order | y | by hope | z |", "L3 names no test in backticks, nor \"not yet\""),
        ("", "L3 has no row"),
    ];
    for (row, objection) in cases {
        assert_eq!(planted(&table("L3", row)), [objection], "{row}");
    }
    assert!(planted("# Edison\n\n| a | b |\n|---|---|\n| c | d |\n")[0].contains("no table"));
}
