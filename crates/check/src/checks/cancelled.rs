//! Does work go on for a client that has left?
//!
//! A black box does not show its work, but a server that is still busy keeps the next client waiting. So three times are
//! compared, all of this run: a short answer alone; the same behind a long answer that goes on; and the same after the
//! client of that long answer has left. Where the third is like the first, the work has stopped; where it is like the
//! second, it goes on. Where the first two do not differ, the server works for several at once, and nothing is seen; more
//! long answers at one time are tried then.

use std::time::Duration;

use super::{Check, Judgement};
use crate::chat::{Ask, End, Stage, Talk};
use crate::lab::{Lab, echo};
use crate::sample::{Sample, readable};

pub(super) const CHECK: Check = Check {
    name: "cancelled",
    fault: "work goes on for a client that has left",
    shows: "after a client has left, in the middle of its answer or in the queue, the next one is answered about as soon \
            as if it had never been there",
    cannot_show: "work that keeps nobody waiting: on a server that serves several at once, left-over work shows only \
                  when it takes the last place. Nor work that ends by itself before it is looked for",
    named_for: "ollama#2876, llama.cpp#11414 and #13262: generation for clients that are gone, or were when it began",
};

/// Up to here the work has stopped, from there on it goes on; between them nobody can tell.
const STOPPED: f64 = 0.35;
const GOES_ON: f64 = 0.65;

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leaving {
    /// While its answer is streamed.
    Streamed,
    /// While its answer is made, of which it sees nothing yet.
    Whole,
    /// While another one is being served.
    Queued,
}

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    let mut alone = Sample::default();
    for _ in 0..trials(lab) {
        match short(lab).await {
            Ok(took) => alone.push(took),
            Err(why) => return Judgement::inconclusive(why),
        }
    }
    let mut details = Vec::new();
    let mut shares = Vec::new();
    for leaving in [Leaving::Streamed, Leaving::Whole, Leaving::Queued] {
        match measure(lab, leaving, &alone).await {
            Ok(share) => {
                details.push(format!("{}: {}", leaving.describe(), in_words(share)));
                shares.push((leaving, share));
            }
            Err(why) => details.push(format!("{}: {why}", leaving.describe())),
        }
    }
    let names = |fits: fn(f64) -> bool| {
        let names = shares.iter().filter(|(_, share)| fits(*share)).map(|(leaving, _)| leaving.describe());
        names.collect::<Vec<_>>().join(", ")
    };
    let (go_on, stop) = (names(|share| share >= GOES_ON), names(|share| share <= STOPPED));
    let verdict = if !go_on.is_empty() {
        Judgement::fail(format!("work goes on for a client that leaves {go_on}: the next one waits for it"))
    } else if stop.is_empty() {
        Judgement::inconclusive(details.first().cloned().unwrap_or_default())
    } else {
        let rest = if shares.iter().all(|(_, share)| *share <= STOPPED) && shares.len() == 3 {
            String::new()
        } else {
            " (the rest cannot be told)".to_owned()
        };
        Judgement::pass(format!("the next one does not wait for a client that left {stop}{rest}"))
    };
    verdict.with(details)
}

fn in_words(share: f64) -> String {
    let percent = (share * 100.0).round().max(0.0);
    format!("the next one waited for {percent} % of what was left to do")
}

/// Enough for a median that one mishap does not move.
fn trials(lab: &Lab<'_>) -> usize {
    lab.rounds().max(3) | 1
}

/// The time of a short answer. That it is somebody else's would make its time somebody else's, too.
async fn short(lab: &mut Lab<'_>) -> Result<Duration, String> {
    let marker = lab.markers.next();
    let answer = lab.ask(&lab.short(echo(marker.as_str()), false)).await;
    match answer.end {
        End::Whole if !lab.known.facts.echoes || marker.is_in(&answer.text) => Ok(answer.took),
        End::Whole => Err("cannot be told: the short answer that is timed was not the one asked for".to_owned()),
        end => Err(format!("cannot be told: the short answer that is timed failed: {}", end.describe())),
    }
}

/// Three times of a short answer, which tell what became of the work in front of it.
#[derive(Default)]
struct Times {
    /// With nobody in front who leaves. In the queue there is still the one that is being served.
    without: Sample,
    /// Behind those who stay.
    behind: Sample,
    /// After they have left.
    after: Sample,
}

impl Times {
    /// The share of the left-over work that the next one waits for: about 0 where it stops, about 1 where it goes on.
    /// `None` where the work cannot be seen at all.
    fn share(&self) -> Option<f64> {
        let apart = self.behind.median() - self.without.median();
        let is_clear = apart > 2.0 * self.behind.spread().max(self.without.spread()).max(self.after.spread());
        let is_long = apart >= self.without.median() * 0.5;
        (is_clear && is_long).then(|| (self.after.median() - self.without.median()) / apart)
    }
}

/// Tries with one who leaves, and where that shows nothing, with as many as there are clients.
async fn measure(lab: &mut Lab<'_>, leaving: Leaving, alone: &Sample) -> Result<f64, String> {
    let mut seen = String::new();
    for crowd in [1, lab.clients()] {
        let mut times = Times::default();
        for trial in 0..trials(lab) {
            lab.say(format!("leaving {}, trial {} of {}", leaving.describe(), trial + 1, trials(lab)));
            // Taken in turn, so that whatever slows the machine for a while slows all of them.
            if matches!(leaving, Leaving::Queued) {
                times.without.push(trial_with(lab, leaving, 0, false).await?);
                lab.settle(1).await?;
            }
            times.behind.push(trial_with(lab, leaving, crowd, false).await?);
            lab.settle(crowd + 1).await?;
            times.after.push(trial_with(lab, leaving, crowd, true).await?);
            lab.settle(crowd + 1).await?;
        }
        if times.without.len() == 0 {
            times.without = alone.clone();
        }
        if let Some(share) = times.share() {
            return Ok(share);
        }
        let (without, behind) = (readable(times.without.median()), readable(times.behind.median()));
        seen = format!(
            "cannot be told: a short answer took {without} without and {behind} with {crowd} in front, which is too close, or \
             varies too much"
        );
    }
    Err(seen)
}

/// How long a short answer takes that is asked for in the middle of `crowd` long ones; with `leave`, after they left.
async fn trial_with(lab: &mut Lab<'_>, leaving: Leaving, crowd: usize, leave: bool) -> Result<Duration, String> {
    let ask = Ask { stream: !matches!(leaving, Leaving::Whole), ..lab.long().clone() };
    let mut front = None;
    if matches!(leaving, Leaving::Queued) {
        let mut running = lab.start(lab.long());
        running.until(|seen| seen.chunks >= 2).await;
        front = Some(running);
    }
    let mut talks: Vec<Talk> = (0..crowd).map(|_| lab.start(&ask)).collect();
    for talk in &mut talks {
        talk.until(|seen| seen.stage >= Stage::Waiting).await;
    }
    match leaving {
        Leaving::Streamed => _ = talks[0].until(|seen| seen.chunks >= 2).await,
        // Nothing can be seen of it. A quarter of its time alone is the middle for certain.
        Leaving::Whole => tokio::time::sleep(lab.long_alone().took / 4).await,
        Leaving::Queued => {}
    }
    if crowd == 1 && talks[0].has_ended() {
        return Err("the longest answer is too quick to be left in its middle".to_owned());
    }
    if leave {
        for talk in talks.drain(..) {
            talk.leave().await;
        }
    }
    let took = short(lab).await;
    drop((talks, front));
    took
}

impl Leaving {
    fn describe(self) -> &'static str {
        match self {
            Self::Streamed => "in the middle of a stream",
            Self::Whole => "before an answer that is not streamed",
            Self::Queued => "from the queue",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Times;

    fn times(without: [u64; 3], behind: [u64; 3], after: [u64; 3]) -> Option<f64> {
        let mut times = Times::default();
        without.iter().for_each(|millis| times.without.push(Duration::from_millis(*millis)));
        behind.iter().for_each(|millis| times.behind.push(Duration::from_millis(*millis)));
        after.iter().for_each(|millis| times.after.push(Duration::from_millis(*millis)));
        times.share()
    }

    #[test]
    fn the_share_is_of_what_the_work_in_front_costs() {
        let of = |after| times([10, 10, 11], [110, 110, 112], [after; 3]).expect("it is clear");
        assert_eq!([of(10), of(60), of(110)].map(|share| (share * 100.0).round()), [0.0, 50.0, 100.0]);
    }

    /// Where those in front made no difference, the wait cannot have been for them.
    #[test]
    fn work_that_makes_no_difference_cannot_be_seen() {
        assert_eq!(times([60, 61, 62], [60, 62, 63], [60, 61, 62]), None);
        assert_eq!(times([10, 60, 110], [110, 160, 210], [10, 60, 110]), None, "it varies as much");
    }
}
