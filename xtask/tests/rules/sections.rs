//! What a caller of the lock must be told, item by item.
//!
//! Waiting functions make four promises: fairness, what dropping does, what can go wrong, and what blocks. Each has a
//! section of its own in the documentation, so that nobody has to look for it in the prose.

use crate::files;

const FOLDER: &str = "crates/model-locks/src/";

/// A public function or type, as far as the rules look at it.
#[derive(Debug, PartialEq)]
struct Item {
    name: String,
    /// From `pub` to the brace or the semicolon.
    declaration: String,
    docs: String,
}

impl Item {
    fn is_function(&self) -> bool {
        self.declaration.contains("fn ")
    }

    fn returns(&self, what: &str) -> bool {
        self.is_function() && self.declaration.split_once("->").is_some_and(|(_, output)| output.contains(what))
    }
}

/// The public items of a file with their documentation.
fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut docs = String::new();
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if let Some(doc) = line.strip_prefix("///") {
            docs += &format!("{}\n", doc.trim());
        } else if let Some(name) = name(line) {
            let mut declaration = line.to_owned();
            while !declaration.contains(['{', ';']) {
                let Some(more) = lines.next() else { break };
                declaration = format!("{declaration} {more}");
            }
            items.push(Item { name: name.to_owned(), declaration, docs: std::mem::take(&mut docs) });
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
    items
}

fn name(line: &str) -> Option<&str> {
    let rest = ["pub fn ", "pub const fn ", "pub struct "].iter().find_map(|start| line.strip_prefix(start))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The types of these files that are futures.
fn futures<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let lines = texts.flat_map(str::lines).filter_map(|line| line.split_once("Future for "));
    lines.filter_map(|(_, name)| name.split(['<', ' ']).next()).map(str::to_owned).collect()
}

/// What such a future says when it panics.
const PANICS: &str = "polled after it has returned";

/// Futures of what nobody can take away from anybody: all who wait for it get it.
const SHARED: &[&str] = &["Closed"];

/// The sections that an item must have, each with the reason.
fn asked(item: &Item, futures: &[String], text: &str) -> Vec<(&'static str, &'static str)> {
    let is_future = futures.contains(&item.name);
    let waits_for = |future: &&String| item.returns(&format!("{future}<"));
    let waits = futures.iter().any(|future| waits_for(&future));
    let competes = futures.iter().filter(waits_for).any(|future| !SHARED.contains(&future.as_str()));
    let blocks = item.is_function() && item.name.starts_with("blocking_");
    let tries = item.is_function() && item.name.starts_with("try_");
    let mut asked = Vec::new();
    let mut ask = |of: bool, section, why| asked.extend(of.then_some((section, why)));
    ask(is_future || waits, "# Cancel safety", "it can be dropped halfway");
    ask(is_future && text.contains(PANICS), "# Panics", "it cannot be polled for ever");
    ask(item.returns("Result<"), "# Errors", "it can fail");
    ask(competes || blocks || tries, "# Fairness", "somebody else may want the same");
    ask(blocks, "# Blocking", "it puts a thread to sleep");
    asked
}

fn missing(path: &str, text: &str, futures: &[String]) -> Vec<String> {
    let missing = |item: Item| {
        let asked =
            asked(&item, futures, text).into_iter().filter(|(section, _)| !item.docs.lines().any(|l| l == *section));
        asked.map(|(section, why)| format!("{path}: `{}` has no `{section}`: {why}", item.name)).collect::<Vec<_>>()
    };
    items(text).into_iter().flat_map(missing).collect()
}

#[test]
fn waiting_and_failing_are_documented() {
    let mut sources = files::with_endings(&["rs"]);
    // The core is not public.
    sources.retain(|file| file.path.starts_with(FOLDER) && !file.path.contains("/core/"));
    let futures = futures(sources.iter().map(|file| file.text.as_str()));
    assert!(futures.iter().any(|name| name == "Acquire"), "the futures are not found any more: {futures:?}");
    let found = sources.iter().flat_map(|file| missing(&file.path, &file.text, &futures)).collect::<Vec<_>>();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The checker must be able to fail.
#[test]
fn a_section_that_is_missing_is_named() {
    let text = "
        /// Waits.
        ///
        /// # Errors
        ///
        /// Sometimes.
        #[must_use]
        pub fn blocking_wait<T>(
            &self,
        ) -> Result<T, Error> {
        /// A wait.
        pub struct Wait<T> {
        impl<T> Future for Wait<T> {
        panic: polled after it has returned
        /// # Cancel safety
        pub fn wait(&self) -> Wait<T> {
        pub(crate) fn inside(&self) -> Result<(), ()> {";
    let futures = futures([text].into_iter());
    assert_eq!(futures, ["Wait"]);
    let found = missing("a.rs", text, &futures);
    let named = found.iter().map(|line| line.split(": ").nth(1).unwrap_or_default()).collect::<Vec<_>>();
    let expected = [
        "`blocking_wait` has no `# Fairness`",
        "`blocking_wait` has no `# Blocking`",
        "`Wait` has no `# Cancel safety`",
        "`Wait` has no `# Panics`",
        "`wait` has no `# Fairness`",
    ];
    assert_eq!(named, expected);
}
