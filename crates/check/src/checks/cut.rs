//! Does a second request end the first one?
//!
//! A long answer is being streamed when somebody else asks something. It has to come to the same end as alone.

use super::{Check, Judgement};
use crate::chat::{End, Stage};
use crate::lab::{Kinship, Lab, kinship};

pub(super) const CHECK: Check = Check {
    name: "cut",
    fault: "a second request cuts the first one short",
    shows: "a long answer that is being streamed comes to its usual end although somebody else asks meanwhile",
    cannot_show: "what happens to answers that are not streamed, since from outside their middle is not seen; and cuts by \
                  requests of another kind",
    named_for: "llama-cpp-python#867: a second request ends the first stream with a normal [DONE]",
};

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    let rounds = lab.rounds();
    let (mut seen, mut changed, mut cut) = (0, 0, Vec::new());
    for attempt in 0..rounds * 3 {
        if seen == rounds {
            break;
        }
        lab.say(format!("round {} of {rounds}", seen + 1));
        let mut first = lab.start(lab.long());
        if !first.until(|seen| seen.chunks >= 2).await {
            continue;
        }
        let ask = lab.fresh(attempt % 2 == 0);
        let mut second = lab.start(&ask);
        second.until(|seen| seen.stage >= Stage::Waiting).await;
        if first.has_ended() {
            // It was too quick to be met in the middle, or it was cut at once; the number of its pieces tells which.
            let answer = first.answer().await;
            if answer.chunks < lab.long_alone().chunks {
                seen += 1;
                cut.extend(complaint(lab, &answer));
            }
            second.answer().await;
            continue;
        }
        seen += 1;
        let (answer, _) = tokio::join!(first.answer(), second.answer());
        cut.extend(complaint(lab, &answer));
        changed += usize::from(kinship(&answer, lab.long_alone()) == Kinship::Different);
    }
    if !cut.is_empty() {
        return Judgement::fail(format!("{} of {seen} long answers ended early when somebody else asked", cut.len()))
            .with(cut);
    }
    if seen == 0 {
        return Judgement::inconclusive("the longest answer is too quick to be met in the middle");
    }
    let changed = if changed > 0 { format!(" ({changed} with other words: see \"load\")") } else { String::new() };
    Judgement::pass(format!("{seen} long answers went on to their end while somebody else asked{changed}"))
}

/// What is wrong with an answer that was interrupted.
pub(super) fn complaint(lab: &Lab<'_>, answer: &crate::chat::Answer) -> Option<String> {
    let alone = lab.long_alone();
    let (got, whole) = (answer.chunks, alone.chunks);
    match kinship(answer, alone) {
        Kinship::Same => None,
        Kinship::CutShort => Some(format!("after {got} of {whole} pieces: {}", answer.end.describe())),
        Kinship::Failed(why) => Some(format!("after {got} of {whole} pieces: {why}")),
        // Other words are another check's business, unless the answer does not even claim to be complete.
        Kinship::Different if answer.end == End::Unfinished && alone.end == End::Whole => {
            Some(format!("after {got} pieces (alone {whole}): {}", answer.end.describe()))
        }
        Kinship::Different => None,
    }
}
