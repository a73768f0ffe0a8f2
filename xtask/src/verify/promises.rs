//! The promises, what became of their proofs, and README's tables of them.
//!
//! `docs/promises.toml` is the one list, written by hand. `docs/verified.toml` holds the verdicts of the last run that was
//! asked to write them. README's tables are made from both, and a test says when they are stale.

use std::fs;

use super::seen::{Known, Seen};
use crate::cargo;
use crate::failure::{Failure, Outcome};
use crate::subset::{self, take_text, take_texts};

const LIST: &str = "docs/promises.toml";
const VERDICTS: &str = "docs/verified.toml";
const README: &str = "README.md";

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) id: String,
    pub(super) says: String,
    pub(super) proofs: Vec<String>,
    pub(super) run: String,
}

/// A promise, and what is known of each of its proofs.
pub(super) struct Judged {
    pub(super) promise: Promise,
    pub(super) known: Vec<Known>,
}

impl Judged {
    pub(super) fn is_broken(&self) -> bool {
        self.known.contains(&Known::Failed)
    }

    pub(super) fn verdict(&self) -> &'static str {
        match &self.known[..] {
            known if known.contains(&Known::Failed) => "BROKEN",
            known if known.is_empty() || known.contains(&Known::Unseen) => "not run",
            _ => "held",
        }
    }
}

/// Reads the list.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read() -> Outcome<Vec<Promise>> {
    parse(&file(LIST)?).map_err(|why| Failure::new(format!("{LIST}: {why}")))
}

fn file(path: &str) -> Outcome<String> {
    fs::read_to_string(cargo::root().join(path)).map_err(|error| Failure::new(format!("{path}: {error}")))
}

fn parse(text: &str) -> Result<Vec<Promise>, String> {
    let entries = subset::entries(text, "[[promise]]")?.into_iter();
    let promise = |(line, mut entry): (usize, subset::Entry)| {
        let mut take = || {
            let id = take_text(&mut entry, "id")?;
            let (says, run) = (take_text(&mut entry, "says")?, take_text(&mut entry, "run")?);
            let proofs = take_texts(&mut entry, "proofs")?;
            Ok(Promise { id, says, proofs, run })
        };
        let promise = take().map_err(|why: String| format!("line {line}: {why}"))?;
        match entry.keys().next() {
            Some(key) => Err(format!("line {line}: nobody knows `{key}`")),
            None => Ok(promise),
        }
    };
    entries.map(promise).collect()
}

/// Looks each proof up.
pub(super) fn judge(promise: Promise, seen: &Seen) -> Judged {
    let known = promise.proofs.iter().map(|proof| seen.look_up(proof)).collect();
    Judged { promise, known }
}

/// How many of each verdict.
pub(super) fn summary(judged: &[Judged]) -> String {
    let count = |verdict| judged.iter().filter(|judged| judged.verdict() == verdict).count();
    format!("promises: {} held, {} broken, {} not run", count("held"), count("BROKEN"), count("not run"))
}

/// Writes the verdicts, and README's tables anew.
pub(super) fn write(judged: &[Judged]) -> Outcome {
    let entries = judged
        .iter()
        .map(|judged| format!("\n[[verdict]]\nid = \"{}\"\nverdict = \"{}\"\n", judged.promise.id, judged.verdict()));
    let head = "# What the last `cargo xtask verify --readme` has found. Not written by hand.\n";
    let verdicts = head.to_owned() + &entries.collect::<String>();
    let promises = judged.iter().map(|judged| judged.promise.clone()).collect::<Vec<_>>();
    let readme = rendered(&file(README)?, &promises, &verdicts).map_err(Failure::new)?;
    for (path, text) in [(VERDICTS, verdicts), (README, readme)] {
        fs::write(cargo::root().join(path), text).map_err(|error| Failure::new(format!("{path}: {error}")))?;
    }
    Ok(())
}

/// README with its tables made anew: one for the lock, one for the service.
fn rendered(readme: &str, promises: &[Promise], verdicts: &str) -> Result<String, String> {
    let verdicts = subset::entries(verdicts, "[[verdict]]")?;
    let verdict = |id: &str| {
        let mut entries = verdicts.iter().map(|(_, entry)| entry.clone());
        let entry = entries.find(|entry| entry.get("id") == Some(&subset::Value::Text(id.to_owned())));
        entry.and_then(|mut entry| take_text(&mut entry, "verdict").ok()).unwrap_or_else(|| "not run".to_owned())
    };
    let mut text = readme.to_owned();
    for (part, letter) in [("lock", 'L'), ("service", 'S')] {
        let (begin, end) = (format!("<!-- promises of the {part} -->\n"), format!("<!-- end of the {part} -->"));
        let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("{README} has no line {begin:?}"))?;
        let (_, after) = rest.split_once(&end).ok_or_else(|| format!("{README} has no line {end:?}"))?;
        let rows = promises.iter().filter(|promise| promise.id.starts_with(letter));
        let rows = rows.map(|promise| row(promise, &verdict(&promise.id))).collect::<String>();
        text =
            format!("{before}{begin}| promise | proved by | run | verified |\n|---|---|---|---|\n{rows}{end}{after}");
    }
    Ok(text)
}

fn row(promise: &Promise, verdict: &str) -> String {
    let Promise { id, says, proofs, run } = promise;
    let proofs = match &proofs[..] {
        [] => "not yet".to_owned(),
        proofs => proofs.iter().map(|proof| format!("`{proof}`")).collect::<Vec<_>>().join(", "),
    };
    format!("| **{id}** {says} | {proofs} | `{run}` | {verdict} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_shows_the_promises_and_the_verdicts_as_they_are() {
        let readme = file(README).unwrap();
        let verdicts = file(VERDICTS).unwrap_or_default();
        let fresh = rendered(&readme, &read().unwrap(), &verdicts).unwrap();
        let stale = readme.lines().zip(fresh.lines()).find(|(old, new)| old != new);
        assert!(
            readme == fresh,
            "README.md is stale: {LIST} or {VERDICTS} says otherwise. `cargo xtask verify --readme` writes it anew.\n{stale:?}"
        );
    }

    const PROMISES: &str = "
[[promise]]
id = \"L1\"
says = \"One.\"
proofs = [\"a\", \"loom::b\"]
run = \"cargo xtask loom\"

[[promise]]
id = \"S1\"
says = \"Two.\"
proofs = []
run = \"cargo xtask test\"
";

    const EMPTY: &str = "x\n<!-- promises of the lock -->\n<!-- end of the lock -->\ny\n<!-- promises of the service -->\nold\n<!-- end of the service -->\nz\n";

    #[test]
    fn the_tables_are_made_between_their_marks() {
        let promises = parse(PROMISES).unwrap();
        let verdicts = "[[verdict]]\nid = \"L1\"\nverdict = \"held\"\n";
        let readme = rendered(EMPTY, &promises, verdicts).unwrap();
        assert!(readme.contains("| **L1** One. | `a`, `loom::b` | `cargo xtask loom` | held |\n<!-- end"), "{readme}");
        assert!(readme.contains("| **S1** Two. | not yet | `cargo xtask test` | not run |\n<!-- end"), "{readme}");
        assert!(readme.ends_with("<!-- end of the service -->\nz\n") && !readme.contains("old"));
        assert_eq!(rendered(&readme, &promises, verdicts).unwrap(), readme, "once more changes nothing");
        assert!(rendered("no marks", &promises, verdicts).is_err());
    }

    #[test]
    fn a_promise_is_held_only_when_every_proof_was_seen_to_pass() {
        let promise = parse(PROMISES).unwrap().remove(0);
        let verdict = |printed: &str| {
            let mut seen = Seen::default();
            seen.read("loom", printed);
            judge(promise.clone(), &seen).verdict()
        };
        assert_eq!(verdict("test a ... ok\ntest b ... ok\n"), "held");
        assert_eq!(verdict("test a ... ok\n"), "not run");
        assert_eq!(verdict("test a ... ok\ntest b ... FAILED\n"), "BROKEN");
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        let text = PROMISES.replace("run =", "runs =");
        assert!(parse(&text).unwrap_err().contains("`run`"));
        let text = PROMISES.replacen("run =", "note = \"x\"\nrun =", 1);
        assert_eq!(parse(&text).unwrap_err(), "line 2: nobody knows `note`");
    }
}
