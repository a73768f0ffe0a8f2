//! Does the server tell that it lives while it works?
//!
//! Many long answers are asked for at once, and meanwhile the server is asked again and again how it does. Where that takes
//! as long as an answer of the model, it waits for the model.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, timeout};

use super::{Check, Judgement};
use crate::chat::Talk;
use crate::lab::Lab;
use crate::probe::get;
use crate::sample::{Sample, readable};

pub(super) const CHECK: Check = Check {
    name: "health",
    fault: "the server does not tell that it lives while it works",
    shows: "/health (or /v1/models where there is none) is answered, and soon, while more clients wait than there are \
            places",
    cannot_show: "whether it tells the truth: a server whose engine hangs may say that all is well. A server with very \
                  many threads may starve only under more clients than are tried",
    named_for: "llama.cpp#20684: a busy server does not answer /health and is restarted for it",
};

/// Clients for each one of the other checks: more than a pool of threads usually has.
pub(super) const CROWD: usize = 4;
/// How often it is asked.
const POLLS: usize = 40;

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    let path = lab.known.facts.health_path;
    let long = lab.long_alone().took;
    let mut alone = Sample::default();
    for _ in 0..POLLS / 4 {
        match poll(lab, lab.options.answer_timeout).await {
            Ok(took) => alone.push(took),
            Err(why) => return Judgement::fail(format!("{path} without any load: {why}")),
        }
    }
    if long.as_secs_f64() < alone.median() * 10.0 {
        return Judgement::inconclusive("the longest answer is too quick: waiting for it would not be noticed");
    }
    let crowd = lab.clients() * CROWD;
    lab.say(format!("{crowd} clients ask, {path} is watched"));
    let talks: Vec<Talk> = (0..crowd).map(|_| lab.start(lab.long())).collect();
    // Twice the time of an answer is long enough to know that it waits for one.
    let limit = (long * 2).max(Duration::from_secs(2));
    let mut busy = Sample::default();
    for _ in 0..POLLS {
        tokio::time::sleep(long / 20).await;
        if talks.iter().all(Talk::has_ended) {
            break;
        }
        match poll(lab, limit).await {
            Ok(took) => busy.push(took),
            Err(why) => return Judgement::fail(format!("{path} while {crowd} clients ask: {why}")),
        }
    }
    drop(talks);
    verdict(lab, path, &alone, &busy)
}

fn verdict(lab: &Lab<'_>, path: &str, alone: &Sample, busy: &Sample) -> Judgement {
    if busy.len() < 3 {
        return Judgement::inconclusive("the crowd was served before the server could be asked how it does");
    }
    let share = busy.median() / lab.known.facts.long_seconds;
    let evidence = format!(
        "{path} took {} under load (median of {}, at most {}), {} without; a long answer takes {}",
        readable(busy.median()),
        busy.len(),
        readable(busy.max()),
        readable(alone.median()),
        readable(lab.known.facts.long_seconds),
    );
    match share {
        share if share >= 0.5 && busy.is_clearly_longer_than(alone) => {
            Judgement::fail(format!("it waits for the model: {evidence}"))
        }
        share if share <= 0.25 => Judgement::pass(evidence),
        _ => Judgement::inconclusive(evidence),
    }
}

/// How long an answer takes.
async fn poll(lab: &Lab<'_>, limit: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    let reply = timeout(limit, get(lab.target, lab.known.facts.health_path, lab.options)).await;
    match reply {
        Err(_) => Err(format!("no answer within {}", readable(limit.as_secs_f64()))),
        Ok(Err(lost)) => Err(lost.to_string()),
        Ok(Ok(reply)) if reply.status != StatusCode::OK => Err(format!("HTTP {}", reply.status.as_u16())),
        Ok(Ok(_)) => Ok(began.elapsed()),
    }
}
