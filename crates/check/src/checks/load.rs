//! Is the answer under load the answer alone?
//!
//! Every question is asked alone, twice: whoever does not repeat itself then cannot be judged. After that all are asked at
//! one time, and every answer has to be the one that was given alone, byte for byte.

use super::{Check, Judgement};
use crate::chat::{Answer, Ask, End};
use crate::lab::{Kinship, Lab, echo, kinship, quoted};

pub(super) const CHECK: Check = Check {
    name: "load",
    fault: "answers under load differ from answers alone",
    shows: "at temperature 0 every answer to many clients at once is byte for byte the answer to one client alone",
    cannot_show: "why they differ. A server that computes several answers in one batch rounds differently with each batch, \
                  and that looks like corruption; short echoes hardly ever tip over, long texts do",
    named_for: "ollama#6262 and llama.cpp#7052: answers that depend on who else asks; llama-cpp-python#1367: a crash",
};

pub(super) async fn judge(lab: &mut Lab<'_>, crossed_failed: bool, cut_failed: bool) -> Judgement {
    let asks = questions(lab);
    let Some((asks, alone)) = alone(lab, asks).await else {
        return Judgement::inconclusive(
            "at temperature 0 the model does not repeat itself even alone; nothing can be compared",
        );
    };
    let (mut total, mut explained, mut different) = (0, 0, Vec::new());
    for round in 0..lab.rounds() {
        lab.say(format!("round {} of {}, {} clients at once", round + 1, lab.rounds(), asks.len()));
        // Streamed and not: what is compared is the text.
        let turned = |(at, ask): (usize, &Ask)| Ask { stream: (at + round) % 2 == 0, ..ask.clone() };
        let answers = lab.ask_at_once(&asks.iter().enumerate().map(turned).collect::<Vec<_>>()).await;
        for (at, answer) in answers.iter().enumerate() {
            total += 1;
            let kin = kinship(answer, &alone[at]);
            let known = (cut_failed && kin == Kinship::CutShort) || (crossed_failed && kin == Kinship::Different);
            match kin {
                Kinship::Same => {}
                _ if known => explained += 1,
                kin => different.push(complaint(at + 1, &kin, answer, &alone[at])),
            }
        }
        if answers.iter().any(|answer| matches!(answer.end, End::Late(_))) {
            break; // It hangs. Another round would only take as long.
        }
    }
    if !different.is_empty() {
        let evidence = format!("{} of {total} answers under load were not the answers alone", different.len());
        Judgement::fail(evidence).with(different)
    } else if explained > 0 {
        Judgement::inconclusive(format!(
            "{explained} of {total} answers were others, as \"crossed\" or \"cut\" has explained"
        ))
    } else {
        Judgement::pass(format!(
            "{total} answers to {} clients at once: each byte for byte the answer alone",
            asks.len()
        ))
    }
}

/// A question for each client: short ones with different answers, and one long one.
fn questions(lab: &mut Lab<'_>) -> Vec<Ask> {
    let long = lab.long().clone();
    let short = (1..lab.clients()).map(|_| {
        let marker = lab.markers.next();
        lab.short(echo(marker.as_str()), false)
    });
    short.collect::<Vec<_>>().into_iter().chain([long]).collect()
}

/// The questions to which the model says the same twice, and what it says. `None` where these are too few.
async fn alone(lab: &Lab<'_>, asks: Vec<Ask>) -> Option<(Vec<Ask>, Vec<Answer>)> {
    let (mut kept, mut answers, count) = (Vec::new(), Vec::new(), asks.len());
    for (at, ask) in asks.into_iter().enumerate() {
        lab.say(format!("question {} of {count}, alone", at + 1));
        let (one, two) = (lab.ask(&ask).await, lab.ask(&ask).await);
        if kinship(&one, &two) == Kinship::Same {
            kept.push(ask);
            answers.push(one);
        }
    }
    (kept.len() >= 2 && kept.len() * 2 >= count).then_some((kept, answers))
}

fn complaint(client: usize, kin: &Kinship, answer: &Answer, alone: &Answer) -> String {
    match kin {
        Kinship::Failed(why) => format!("client {client}: {why}"),
        _ => {
            let at = answer.text.bytes().zip(alone.text.bytes()).take_while(|(one, other)| one == other).count();
            format!(
                "client {client}: from byte {at} on {} instead of {}",
                quoted(tail(&answer.text, at)),
                quoted(tail(&alone.text, at))
            )
        }
    }
}

/// From the byte on, or from the beginning of the character in which it lies.
fn tail(text: &str, mut at: usize) -> &str {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[at..]
}
