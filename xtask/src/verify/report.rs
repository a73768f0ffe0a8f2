//! The report of a run: for people as Markdown, for programs as JSON.

use super::promises::{Judged, summary};
use super::seen::Known;
use super::{Extent, Ran};

/// The report as Markdown.
pub(super) fn markdown(all: &[Ran], judged: &[Judged]) -> String {
    let mut text = format!("# What was proved\n\n{}\n\n", summary(judged));
    text += "| step | settles | verdict | time | again |\n|---|---|---|---|---|\n";
    for ran in all {
        let again = ran.step.by_hand(Extent::Usual);
        let (step, verdict) = (ran.step, ran.ending.describe());
        text += &format!("| {} | {} | {verdict} | {} | `{again}` |\n", step.name, step.settles, ran.time);
    }
    text += "\n| promise | verdict | proofs |\n|---|---|---|\n";
    for judged in judged {
        let proofs = judged.promise.proofs.iter().zip(&judged.known);
        let proofs = proofs.map(|(proof, known)| format!("`{proof}` {}", word(*known))).collect::<Vec<_>>().join(", ");
        text += &format!("| **{}** {} | {} | {proofs} |\n", judged.promise.id, judged.promise.says, judged.verdict());
    }
    text
}

/// The report as JSON.
pub(super) fn json(all: &[Ran], judged: &[Judged]) -> String {
    let steps = all.iter().map(|ran| {
        let pairs = [("step", ran.step.name), ("verdict", &ran.ending.describe()), ("time", &ran.time)];
        object(&pairs)
    });
    let promises = judged.iter().map(|judged| {
        let proofs = judged.promise.proofs.iter().zip(&judged.known);
        let proofs = proofs.map(|(proof, known)| object(&[("proof", proof), ("verdict", word(*known))]));
        let proofs = proofs.collect::<Vec<_>>().join(",");
        let pairs = [
            ("id", quoted(&judged.promise.id)),
            ("verdict", quoted(judged.verdict())),
            ("proofs", format!("[{proofs}]")),
        ];
        let pairs = pairs.map(|(key, value)| format!("{}:{value}", quoted(key)));
        format!("{{{}}}", pairs.join(","))
    });
    let (steps, promises) = (steps.collect::<Vec<_>>().join(",\n"), promises.collect::<Vec<_>>().join(",\n"));
    format!("{{\"version\":1,\n\"steps\":[\n{steps}],\n\"promises\":[\n{promises}]}}\n")
}

fn word(known: Known) -> &'static str {
    match known {
        Known::Passed => "passed",
        Known::Failed => "FAILED",
        Known::Unseen => "not run",
    }
}

fn object(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))).collect::<Vec<_>>();
    format!("{{{}}}", pairs.join(","))
}

fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::Ending;
    use super::super::seen::Seen;
    use super::super::steps::STEPS;
    use super::*;

    #[test]
    fn the_json_is_json_and_has_every_step_and_promise() {
        let all = STEPS.iter().map(|step| Ran { step, ending: Ending::Skipped("a \"reason\""), time: "1 s".into() });
        let all = all.collect::<Vec<_>>();
        let promises = super::super::promises::read().unwrap();
        let judged = promises.into_iter().map(|promise| super::super::promises::judge(promise, &Seen::default()));
        let judged = judged.collect::<Vec<_>>();
        let json: serde_json::Value = serde_json::from_str(&json(&all, &judged)).unwrap();
        assert_eq!(json["steps"].as_array().map(Vec::len), Some(STEPS.len()));
        assert_eq!(json["steps"][0]["verdict"], "skipped: a \"reason\"");
        assert_eq!(json["promises"].as_array().map(Vec::len), Some(judged.len()));
        assert_eq!(json["promises"][0]["verdict"], "not run");
        assert!(markdown(&all, &judged).contains("| **L1** "));
    }
}
