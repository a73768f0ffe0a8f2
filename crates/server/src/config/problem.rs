//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Debug)]
pub(crate) struct Problems {
    /// The file's name, or what stands for it.
    pub(crate) file: String,
    pub(crate) problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Counted from 1; `None` where the whole file is meant.
    pub(crate) line: Option<usize>,
    /// The key as a path, `models[1].file`; empty where no key is meant.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.file)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            let colon = if problem.key.is_empty() { "" } else { ": " };
            write!(f, ": {}{colon}{}", problem.key, problem.message)?;
        }
        Ok(())
    }
}

/// Collects problems while a text is read.
pub(crate) struct Collector<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// Something is wrong with the key whose value, or whose name, stands at `span`.
    pub(crate) fn add(&mut self, span: &Range<usize>, key: impl Into<String>, message: impl Into<String>) {
        let line = self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
        self.problems.push(Problem { line: Some(line), key: key.into(), message: message.into() });
    }

    /// Nothing, or everything that was found.
    pub(crate) fn finish(self, file: &str) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.into_problems(file)) }
    }

    /// Everything that was found, in the order of the lines.
    pub(crate) fn into_problems(mut self, file: &str) -> Problems {
        self.problems.sort_by_key(|problem| problem.line);
        Problems { file: file.to_owned(), problems: self.problems }
    }
}
