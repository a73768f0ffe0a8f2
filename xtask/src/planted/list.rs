//! The planted bugs: what is changed where, and which tests must notice.

use std::collections::BTreeSet;
use std::fmt;

use crate::subset::{self, Entry, Value, take_text, take_texts};

/// Where a test is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Lib,
    Shell,
    Loom,
    Shuttle,
}

impl Layer {
    pub(super) const ALL: [Self; 4] = [Self::Lib, Self::Shell, Self::Loom, Self::Shuttle];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lib => "lib",
            Self::Shell => "shell",
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|layer| layer.name() == name).ok_or_else(|| {
            format!("`{name}` is no layer of tests ({}), and a test is named LAYER::MODULE::NAME", known())
        })
    }
}

/// A test, written `LAYER::MODULE::NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) layer: Layer,
    /// As the test program knows it.
    pub(super) name: String,
}

impl Test {
    fn parse(text: &str) -> Result<Self, String> {
        let (layer, name) = text.split_once("::").unwrap_or((text, ""));
        Ok(Self { layer: Layer::named(layer)?, name: name.to_owned() })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.layer.name(), self.name)
    }
}

/// One planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bug {
    pub(super) name: String,
    /// Relative to the crate.
    pub(super) file: String,
    pub(super) find: String,
    pub(super) replace: String,
    /// Each of these must notice.
    pub(super) tests: Vec<Test>,
    /// Nothing in these layers notices. That is what the others are for, and so it is checked, too.
    pub(super) missed_by: Vec<Layer>,
    /// A test that does not end has noticed.
    pub(super) hangs: bool,
}

impl Bug {
    /// `text` with the bug in it.
    ///
    /// # Errors
    /// The place is not there, or not the only one: the source has changed since the bug was written.
    pub(super) fn plant(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!(
                "{}: stale: {} holds {count} times, and not once:\n{}",
                self.name,
                self.file,
                self.find.trim_end()
            )),
        }
    }
}

/// Reads the list.
///
/// # Errors
/// What is wrong with it, and on which line.
pub(super) fn parse(text: &str) -> Result<Vec<Bug>, String> {
    let mut names = BTreeSet::new();
    let mut bugs = Vec::new();
    for (line, entry) in subset::entries(text, "[[bug]]")? {
        let bug = bug(entry).map_err(|why| format!("the bug on line {line}: {why}"))?;
        if !names.insert(bug.name.clone()) {
            return Err(format!("the bug on line {line}: a second `{}`", bug.name));
        }
        bugs.push(bug);
    }
    Ok(bugs)
}

fn bug(mut entry: Entry) -> Result<Bug, String> {
    // For people; that it is there is all that is asked.
    take_text(&mut entry, "why")?;
    let tests = take_texts(&mut entry, "tests")?.iter().map(|test| Test::parse(test)).collect::<Result<Vec<_>, _>>()?;
    if tests.is_empty() {
        return Err("`tests` is empty: a bug that nothing must find proves nothing".to_owned());
    }
    let bug = Bug {
        name: take_text(&mut entry, "name")?,
        file: take_text(&mut entry, "file")?,
        find: take_text(&mut entry, "find")?,
        replace: take_text(&mut entry, "replace")?,
        tests,
        missed_by: take_texts(&mut entry, "missed_by")?
            .iter()
            .map(|name| Layer::named(name))
            .collect::<Result<_, _>>()?,
        hangs: matches!(entry.remove("hangs"), Some(Value::Flag(true))),
    };
    if bug.find.trim().is_empty() || bug.find == bug.replace {
        return Err("`find` is empty, or the same as `replace`: nothing would be planted".to_owned());
    }
    match entry.keys().next() {
        None => Ok(bug),
        Some(key) => Err(format!("`{key}` is not known")),
    }
}

/// None at all if the key is not there.
#[cfg(test)]
mod tests {
    use super::*;

    const BUG: &str = r#"
[[bug]]
name = "lost"
why = "a lane is lost"
file = "src/a.rs"
find = "keep"
replace = "lose"
tests = ["loom::leaving::cancel", "lib::core::tests::one"]
"#;

    fn lost() -> Bug {
        parse(BUG).unwrap().remove(0)
    }

    #[test]
    fn a_test_is_named_by_its_layer_and_its_path() {
        let tests = lost().tests;
        assert_eq!(tests[0], Test { layer: Layer::Loom, name: "leaving::cancel".to_owned() });
        assert_eq!(tests[1].to_string(), "lib::core::tests::one");
    }

    #[test]
    fn a_bug_is_planted_where_its_text_stands_once() {
        assert_eq!(lost().plant("a keep b"), Ok("a lose b".to_owned()));
        assert!(lost().plant("nothing").unwrap_err().contains("0 times"));
        assert!(lost().plant("keep keep").unwrap_err().contains("2 times"));
    }

    #[test]
    fn an_entry_that_says_too_little_or_too_much_is_refused() {
        for (from, to) in [
            ("name = \"lost\"", ""),
            ("why = \"a lane is lost\"", ""),
            ("tests = [\"loom::leaving::cancel\", \"lib::core::tests::one\"]", "tests = []"),
            ("loom::", "miri::"),
            ("\"lose\"", "\"keep\""),
            ("replace", "hang = true\nreplace"),
        ] {
            let text = BUG.replace(from, to);
            assert!(parse(&text).expect_err(&text).starts_with("the bug on line 2: "), "{text}");
        }
        assert!(parse(&BUG.repeat(2)).unwrap_err().contains("a second `lost`"));
    }
}
