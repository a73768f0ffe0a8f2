//! Does one client get another one's words?
//!
//! Every client asks for a word of its own, streamed and not, all at one time. A word of somebody else in an answer, or a
//! part of it that is too long for an accident, is the proof. A model that cannot echo is asked different questions;
//! then only answers that went to the wrong client as a whole are seen.

use super::{Check, Judgement};
use crate::chat::{Answer, Ask, End};
use crate::lab::{Lab, echo, quoted};
use crate::marker::Marker;

pub(super) const CHECK: Check = Check {
    name: "crossed",
    fault: "one client gets another one's words",
    shows: "a word that only one client knows does not turn up in the answers to the others, streamed or not, while all \
            of them ask at once",
    cannot_show: "that it can never happen: a leak that needs a rarer moment, longer texts or pictures is not provoked. \
                  Where the model does not echo, parts of somebody else's answer are not recognised",
    named_for: "ollama#17475 and llama.cpp#27148: parts of one conversation in another one's answer",
};

pub(super) async fn judge(lab: &mut Lab<'_>) -> Judgement {
    if lab.known.facts.echoes { by_markers(lab).await } else { by_whole_answers(lab).await }
}

async fn by_markers(lab: &mut Lab<'_>) -> Judgement {
    let (clients, rounds) = (lab.clients(), lab.rounds());
    let mut asked: Vec<(Marker, Answer)> = Vec::new();
    for round in 0..rounds {
        lab.say(format!("round {} of {rounds}, {clients} clients at once", round + 1));
        let markers = (0..clients).map(|_| lab.markers.next()).collect::<Vec<_>>();
        let asks = (0..).zip(&markers).map(|(at, marker)| lab.short(echo(marker.as_str()), (at + round) % 2 == 0));
        let answers = lab.ask_at_once(&asks.collect::<Vec<_>>()).await;
        asked.extend(markers.into_iter().zip(answers));
        if asked.iter().any(|(_, answer)| matches!(answer.end, End::Late(_))) {
            break; // It hangs. Another round would only take as long.
        }
    }
    let crossed = asked.iter().enumerate().filter_map(|(at, (own, answer))| {
        let foreign = asked
            .iter()
            .enumerate()
            .find(|(other, (marker, _))| *other != at && marker != own && marker.left_a_trace_in(&answer.text));
        foreign.map(|(other, (marker, _))| {
            let (who, whose) = (at % clients + 1, other % clients + 1);
            format!(
                "client {who} asked for {} and got {}: {} is client {whose}'s",
                own.as_str(),
                quoted(&answer.text),
                marker.as_str()
            )
        })
    });
    let crossed = crossed.collect::<Vec<_>>();
    let total = asked.len();
    let own = asked.iter().filter(|(marker, answer)| marker.is_in(&answer.text)).count();
    if !crossed.is_empty() {
        let evidence = format!("{} of {total} answers had words of another client", crossed.len());
        Judgement::fail(evidence).with(crossed)
    } else if own * 2 >= total {
        Judgement::pass(format!(
            "{total} answers to {clients} clients at once, streamed and not: no word of another in any"
        ))
    } else {
        Judgement::inconclusive(format!(
            "only {own} of {total} answers had their own word; what is missing may hide anything"
        ))
    }
}

/// Questions that even a small model answers differently.
const NOUNS: &[&str] =
    &["rain", "a horse", "bread", "the moon", "a bridge", "music", "a river", "winter", "glass", "a clock"];

async fn by_whole_answers(lab: &mut Lab<'_>) -> Judgement {
    let clients = lab.clients().min(NOUNS.len());
    let asks = NOUNS[..clients].iter().map(|noun| lab.short(format!("Say one sentence about {noun}."), true));
    let asks = asks.collect::<Vec<Ask>>();
    let mut alone = Vec::new();
    for ask in &asks {
        alone.push(lab.ask(ask).await);
    }
    let differ = (1..clients).all(|at| alone[..at].iter().all(|other| other.text != alone[at].text));
    if !differ || !lab.known.facts.reproducible {
        return Judgement::inconclusive(
            "the model does not echo, and its answers do not tell who asked; a mix-up would not be seen",
        );
    }
    let mut crossed = Vec::new();
    for round in 0..lab.rounds() {
        lab.say(format!("round {} of {}, {clients} clients at once", round + 1, lab.rounds()));
        for (at, answer) in lab.ask_at_once(&asks).await.into_iter().enumerate() {
            let whose = alone.iter().position(|other| answer.end == End::Whole && other.text == answer.text);
            if let Some(whose) = whose.filter(|whose| *whose != at) {
                crossed.push(format!(
                    "client {} got the answer to client {}: {}",
                    at + 1,
                    whose + 1,
                    quoted(&answer.text)
                ));
            }
        }
    }
    let total = clients * lab.rounds();
    if crossed.is_empty() {
        Judgement::pass(format!(
            "{total} answers, none was another client's (the model does not echo, so only whole answers are known again)"
        ))
    } else {
        Judgement::fail(format!("{} of {total} answers were another client's", crossed.len())).with(crossed)
    }
}
