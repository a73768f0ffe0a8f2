//! Tables at the head of test files: what went wrong elsewhere, row by row, and what shows that it does not here.
//!
//! They name tests, which must exist, and calls that `clippy.toml` must ban.

use crate::files::{self, File};
use crate::promises::{cells, exists};

/// The heading of the column that names what shows it.
const COLUMN: &str = "shown by";

/// A file with such a table, how its rows begin, and how many there are.
const TABLES: [(&str, &str, usize); 2] =
    [("crates/backend-llama/tests/engine/deadly.rs", "", 37), ("crates/server/tests/wire/defects.rs", "D", 25)];

/// What is wrong with the table of a file, a sentence each.
fn violations(text: &str, begins: &str, n_rows: usize, files: &[File], bans: &str) -> Vec<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let rows: Vec<Vec<&str>> = lines.map(cells).filter(|cells| !cells.is_empty()).collect();
    let Some(column) = rows.first().and_then(|head| head.iter().position(|cell| *cell == COLUMN)) else {
        return vec![format!("there is no table with a column \"{COLUMN}\"")];
    };
    let mut found = Vec::new();
    for number in 1..=n_rows {
        let name = format!("{begins}{number}");
        let Some(row) = rows.iter().find(|row| row[0] == name) else {
            found.push(format!("row {name} is missing"));
            continue;
        };
        let cell = row.get(column).copied().unwrap_or_default();
        // Every second piece between backticks is code; a test or a call has one of these in its name.
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).filter(|name| name.contains(['_', ':'])).collect();
        if names.is_empty()
            && !cell.contains("cargo xtask")
            && !cell.contains("cannot be")
            && !cell.contains("rule test")
        {
            found.push(format!("row {name} names no test"));
        }
        let wishes = names.iter().filter(|name| !is_there(name, files, bans));
        found.extend(wishes.map(|wish| format!("row {name}: there is no `{wish}`")));
    }
    found
}

fn is_there(name: &str, files: &[File], bans: &str) -> bool {
    if name.starts_with(char::is_uppercase) {
        return bans.contains(&format!("::{name}\""));
    }
    match name.strip_suffix("..") {
        Some(begin) => files.iter().any(|file| file.text.contains(&format!("fn {begin}"))),
        None => exists(name, files),
    }
}

#[test]
fn what_the_tables_of_test_files_name_exists() {
    let files = files::with_endings(&["rs"]);
    let bans = std::fs::read_to_string(files::root().join("clippy.toml")).expect("the bans");
    for (path, begins, n_rows) in TABLES {
        let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is not there"));
        let found = violations(&file.text, begins, n_rows, &files, &bans);
        assert!(found.is_empty(), "{path}\n{}", found.join("\n"));
    }
}

/// The checker must be able to fail.
/// Method: a table of two rows, the second of which is wrong in one way each.
#[test]
fn the_checker_objects_to_planted_rows() {
    let files = [File { path: "a/tests/b.rs".to_owned(), text: "fn it_is_so() {} fn d01_is_so() {}".to_owned() }];
    let check = |row: &str| {
        let text = format!("//! | row | what | shown by |\n//! |---|---|---|\n//! | 1 | x | `it_is_so` |\n{row}\n");
        violations(&text, "", 2, &files, "\"llama::Context::encode\"")
    };
    for right in ["`b::it_is_so`", "`d01_..` and more", "`Context::encode`", "cannot be: nobody `asks`"] {
        assert_eq!(check(&format!("//! | 2 | y | {right} |")), Vec::<String>::new());
    }
    let cases = [
        ("//! | 2 | y | `it_was_so` |", "row 2: there is no `it_was_so`"),
        ("//! | 2 | y | `c::it_is_so` |", "row 2: there is no `c::it_is_so`"),
        ("//! | 2 | y | `d02_..` |", "row 2: there is no `d02_..`"),
        ("//! | 2 | y | `Context::decode` |", "row 2: there is no `Context::decode`"),
        ("//! | 2 | y | by `hope` |", "row 2 names no test"),
        ("//! | 3 | y | `it_is_so` |", "row 2 is missing"),
    ];
    for (row, objection) in cases {
        assert_eq!(check(row), [objection], "{row}");
    }
    assert!(violations("//! words", "", 1, &files, "")[0].contains("no table"));
}
