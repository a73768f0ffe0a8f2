//! One table of the file, read key by key. What nobody asked for is unknown.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Collector;

/// How alike a known key must be to be offered, from 0 to 1.
const ALIKE: f64 = 0.75;

/// A table under its name.
pub(super) struct Section<'a, 'text> {
    /// The path of the table; empty for the whole file.
    path: String,
    table: &'a DeTable<'text>,
    span: Range<usize>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
}

impl<'a, 'text> Section<'a, 'text> {
    pub(super) fn new(path: impl Into<String>, table: &'a DeTable<'text>, span: Range<usize>) -> Self {
        Self { path: path.into(), table, span, known: Vec::new() }
    }

    /// The path of a key of this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the table begins.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// A key's value as it stands there, and where.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'text>>> {
        // Some keys are asked for more than once.
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// A key's value; `None` where it is absent or wrong, the latter with a problem.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'text>) -> Result<T, String>,
        problems: &mut Collector<'_>,
    ) -> Option<(T, Range<usize>)> {
        let value = self.raw(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some((read, value.span())),
            Err(message) => {
                problems.add(&value.span(), self.path_of(key), message);
                None
            }
        }
    }

    /// Reads a key into `target`, which keeps its default where the key is absent or wrong.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        read: impl Fn(&DeValue<'text>) -> Result<T, String>,
        problems: &mut Collector<'_>,
    ) {
        if let Some((value, _)) = self.get(key, read, problems) {
            *target = value;
        }
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self, problems: &mut Collector<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) {
                let message = match closest(name, &self.known) {
                    Some(known) => format!("unknown key; did you mean \"{known}\"?"),
                    None => format!("unknown key; known are {}", self.known.join(", ")),
                };
                problems.add(&key.span(), self.path_of(name), message);
            }
        }
    }
}

/// The name that was probably meant.
pub(crate) fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |known: &&'a str| (strsim::jaro_winkler(name, known), *known);
    let best = known.iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}
