//! Does the bound bound?
//!
//! Very many long answers are asked for at once. A server with a bound refuses some of them, with 429 or 503 and soon.
//!
//! That nobody is refused is not yet a fault: the bound may be beyond what is tried, or the server may be quick. It is one
//! where the bound that the server claims was passed, and where the last one in the queue would wait for longer than
//! anybody has patience: to keep that from happening is what a bound is for.

use std::time::Duration;

use super::{Check, Judgement};
use crate::chat::{Seen, Stage, Talk};
use crate::lab::Lab;
use crate::sample::readable;

pub(super) const CHECK: Check = Check {
    name: "bound",
    fault: "the queue has no bound, or one that does not hold",
    shows: "of very many requests at once some are refused with 429 or 503, soon, and the server works afterwards",
    cannot_show: "a bound beyond the number that is tried, and whether a request that is silent waits in a queue or in \
                  the network",
    named_for: "ollama#7758: the bound does not count everybody; llama.cpp#3821: there is none",
};

/// How often, and how many times the same before it counts as settled.
const TICK: Duration = Duration::from_millis(50);
const TICKS_MAX: usize = 200;
const TICKS_SAME: usize = 10;

/// Who is where.
#[derive(Debug, Default, PartialEq, Eq)]
struct Census {
    connecting: usize,
    waiting: usize,
    running: usize,
    turned_away: usize,
    /// Ended in another way: answered, or lost.
    others: usize,
    status: Option<u16>,
}

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    let flood = lab.options.flood;
    lab.say(format!("{flood} clients ask at once"));
    let talks: Vec<Talk> = (0..flood).map(|_| lab.start(lab.long())).collect();
    let mut end = Census::default();
    let (mut same, mut last) = (0, usize::MAX);
    for _ in 0..TICKS_MAX {
        tokio::time::sleep(TICK).await;
        let now = census(&talks);
        let is_settled = now.connecting == 0 && now.turned_away == last;
        same = if is_settled { same + 1 } else { 0 };
        last = now.turned_away;
        // In the middle of the flood who will be refused looks like one who waits. At its end it does not.
        end = now;
        if same == TICKS_SAME {
            break;
        }
    }
    let broken = lost(&talks);
    for talk in talks {
        talk.leave().await;
    }
    verdict(lab, &end, broken)
}

fn verdict(lab: &Lab<'_>, seen: &Census, broken: usize) -> Judgement {
    let (flood, waiting) = (lab.options.flood, seen.waiting);
    if let Some(bound) = lab.options.queue_max.filter(|bound| waiting > *bound) {
        return Judgement::fail(format!(
            "{waiting} still waited after the last refusal, and the bound is said to be {bound}"
        ));
    }
    if seen.turned_away > 0 {
        let status = seen.status.unwrap_or_default();
        return Judgement::pass(format!(
            "of {flood} at once {} were refused with {status}; after that {waiting} still waited",
            seen.turned_away
        ));
    }
    // One after the other, or as many at a time as were seen to be.
    let last = lab.known.facts.long_seconds * waiting as f64 / seen.running.max(1) as f64;
    let seen =
        format!("nobody was refused of {flood} at once; {waiting} waited, the last one for about {}", readable(last));
    if last > lab.options.patience.as_secs_f64() {
        Judgement::fail(format!("{seen}, longer than {}", readable(lab.options.patience.as_secs_f64())))
    } else if broken > 0 {
        Judgement::inconclusive(format!("{seen}; {broken} connections were lost, which tells a client nothing"))
    } else {
        Judgement::inconclusive(format!("{seen}: a bound further out would not be seen; --flood tries more"))
    }
}

fn census(talks: &[Talk]) -> Census {
    let mut census = Census::default();
    for Seen { stage, turned_away, .. } in talks.iter().map(Talk::seen) {
        match (stage, turned_away) {
            (Stage::Connecting, _) => census.connecting += 1,
            (Stage::Waiting, _) => census.waiting += 1,
            (Stage::Running, _) => census.running += 1,
            (Stage::Ended, Some(status)) => {
                census.turned_away += 1;
                census.status = Some(status);
            }
            (Stage::Ended, None) => census.others += 1,
        }
    }
    census
}

/// Who ended without having seen a single piece, and was not refused either.
fn lost(talks: &[Talk]) -> usize {
    let is_lost = |seen: &Seen| seen.stage == Stage::Ended && seen.chunks == 0 && seen.turned_away.is_none();
    talks.iter().map(Talk::seen).filter(is_lost).count()
}
