//! Does a client that leaves the queue take the running one with it?
//!
//! While a long answer is streamed, another client asks, and leaves without an answer. The long answer has to come to its
//! usual end. Between the question and the leaving the long answer must be seen to go on; otherwise it was the question
//! that ended it, which is another check's business.

use super::cut::complaint;
use super::{Check, Judgement};
use crate::chat::{Ask, Stage};
use crate::lab::Lab;

pub(super) const CHECK: Check = Check {
    name: "leaver",
    fault: "a client that leaves the queue ends the running answer",
    shows: "a client that asks while an answer is streamed, and leaves before it gets its own, does not end or change \
            the answer to the other",
    cannot_show: "whether the one who left was waiting or already being served: a server that serves several at once \
                  has no queue yet",
    named_for: "ik_llama.cpp#1929: a queued client's disconnect stops the decode of another",
};

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    let rounds = lab.rounds();
    let (mut left, mut waiting, mut cut_before, mut killed) = (0, 0, 0, Vec::new());
    for attempt in 0..rounds * 3 {
        if left == rounds {
            break;
        }
        lab.say(format!("round {} of {rounds}", left + 1));
        let mut first = lab.start(lab.long());
        if !first.until(|seen| seen.chunks >= 2).await {
            continue;
        }
        let ask = Ask { stream: attempt % 2 == 0, ..lab.long().clone() };
        let mut second = lab.start(&ask);
        second.until(|seen| seen.stage >= Stage::Waiting).await;
        let before = first.seen().chunks;
        // It has gone on since the other one asked.
        if !first.until(|seen| seen.chunks >= before + 2).await {
            cut_before += usize::from(first.answer().await.chunks < lab.long_alone().chunks);
            second.leave().await;
            continue;
        }
        let stage = second.seen().stage;
        second.leave().await;
        if stage == Stage::Ended || first.has_ended() {
            first.answer().await;
            continue;
        }
        left += 1;
        waiting += usize::from(stage == Stage::Waiting);
        killed.extend(complaint(lab, &first.answer().await));
    }
    if !killed.is_empty() {
        let evidence = format!("{} of {left} running answers ended when somebody else left the queue", killed.len());
        Judgement::fail(evidence).with(killed)
    } else if left > 0 {
        Judgement::pass(format!(
            "{left} clients left, {waiting} of them from the queue: the running answers went on to their end"
        ))
    } else if cut_before > 0 {
        Judgement::inconclusive("the running answer ended before the other client could leave: see \"cut\"")
    } else {
        Judgement::inconclusive("the longest answer is too quick: nobody could come and leave in its middle")
    }
}
