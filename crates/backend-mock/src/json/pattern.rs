//! The plainest text in which a regular expression finds something.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::COUNT_MAX;

/// A text that matches.
pub(super) fn matching(pattern: &str) -> Result<String, String> {
    let hir = regex_syntax::parse(pattern).map_err(|_| format!("the pattern {pattern} is not understood"))?;
    let mut text = String::new();
    write(&hir, &mut text).ok_or_else(|| format!("no text was found for the pattern {pattern}"))?;
    // Borders of words, and lines, are passed over above; the result tells whether that mattered.
    let found = regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(&text));
    if found { Ok(text) } else { Err(format!("no text was found for the pattern {pattern}")) }
}

fn write(hir: &Hir, text: &mut String) -> Option<()> {
    if text.len() as u64 > COUNT_MAX {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(plainest(class)?),
        HirKind::Repetition(repetition) => {
            // One where none would do: an empty text shows nothing.
            let n = repetition.min.max(u32::from(repetition.max != Some(0)));
            for _ in 0..n {
                write(&repetition.sub, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(ways) => write(ways.first()?, text)?,
    }
    Some(())
}

/// A letter where there is one, or else a digit, or else the first character.
fn plainest(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
    };
    let has = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
    ('a'..='z').chain('A'..='Z').chain('0'..='9').find(|c| has(*c)).or_else(|| ranges.first().map(|range| range.0))
}
