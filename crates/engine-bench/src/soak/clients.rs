//! What clients do, drawn from a seed.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{ADAPTED, MODELS};
use crate::wire;

/// What clients met.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: u64,
    /// Answers that nobody waited for.
    pub(super) left: u64,
    /// Models that were told to go.
    pub(super) unloaded: u64,
    /// Told to come again later, or that it took too long.
    pub(super) refused: u64,
    pub(super) tokens: u64,
    /// What no client may get.
    pub(super) wrong: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.left += other.left;
        self.unloaded += other.unloaded;
        self.refused += other.refused;
        self.tokens += other.tokens;
        self.wrong.extend(other.wrong);
    }
}

/// What is asked next, from a seed.
struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap_or(0)]
    }
}

/// Asks until it is over.
pub(super) fn ask_until(address: &str, seed: u64, over: &AtomicBool) -> Tally {
    let (mut dice, mut tally) = (Dice(ChaCha8Rng::seed_from_u64(seed)), Tally::default());
    while !over.load(Ordering::Relaxed) {
        let model = dice.one_of(&MODELS);
        if dice.below(60) == 0 {
            let told = wire::post(address, "/models/unload", &json!({ "model": model }).to_string());
            match told.and_then(wire::Answer::whole) {
                Ok(_) => tally.unloaded += 1,
                Err(error) => tally.wrong.push(error),
            }
            continue;
        }
        let adapted = model == MODELS[0] && dice.below(3) == 0;
        let body = body(&mut dice, if adapted { ADAPTED } else { model });
        // Three of ten leave, at any place of the answer.
        let leaves_after = (dice.below(10) < 3).then(|| dice.below(12));
        if let Err(error) = chat(address, &body.to_string(), leaves_after, &mut tally) {
            let refused = [" 429 ", " 503 ", "queue_timeout", "queue_full"].iter().any(|word| error.contains(word));
            if refused {
                tally.refused += 1;
            } else {
                tally.wrong.push(format!("{error} to {body}"));
            }
        }
    }
    tally
}

fn chat(address: &str, body: &str, leaves_after: Option<u64>, tally: &mut Tally) -> Result<(), String> {
    let mut answer = wire::post(address, "/v1/chat/completions", body)?;
    let mut n_events = 0;
    while leaves_after.is_none_or(|most| n_events < most) {
        let Some(event) = answer.event()? else {
            tally.answered += 1;
            return Ok(());
        };
        n_events += 1;
        tally.tokens += event["usage"]["completion_tokens"].as_u64().unwrap_or(0);
    }
    tally.left += 1;
    Ok(())
}

fn body(dice: &mut Dice, model: &str) -> Value {
    let long = "A long beginning that many have in common. ".repeat(10);
    let question = dice.one_of(&["Say: apple pear plum", "Count from 1 to 20", "Which tier are you?"]);
    let text = if dice.below(4) == 0 { format!("{long}{question}") } else { question.to_owned() };
    let mut body = json!({
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1 + dice.below(48),
        "temperature": if dice.below(2) == 0 { 0.0 } else { 0.9 },
        "seed": dice.below(1000),
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    match dice.below(8) {
        0 => {
            body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {
                "type": "object", "properties": {"n": {"type": "integer", "maximum": dice.below(5)}}, "required": ["n"],
                "additionalProperties": false,
            }}})
        }
        1 => body["logprobs"] = json!(true),
        2 => body["cache_prompt"] = json!(false),
        3 => body["n"] = json!(2),
        4 => body["stop"] = json!(["3", "plum"]),
        _ => {}
    }
    if model == "vision" && dice.below(2) == 0 {
        let picture = json!({"type": "image_url", "image_url": {"url": picture(dice)}});
        body["messages"][0]["content"] = json!([picture, {"type": "text", "text": "What is it?"}]);
    }
    body
}

/// A picture of one colour, as the plainest file there is: a bitmap of two by two.
fn picture(dice: &mut Dice) -> String {
    let colour = dice.one_of(&[&[0, 0, 0xff], &[0xff, 0, 0], &[0, 0xff, 0], &[0xff; 3]]);
    let row = [colour, colour, &[0; 2][..]].concat();
    let mut file = b"BM".to_vec();
    // Its length and where the pixels begin; then the length of the second head, the measures, one plane of 24 bits.
    for number in [70_u32, 0, 54, 40, 2, 2, 0x0018_0001, 0, 16, 2835, 2835, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend([row.as_slice(), &row].concat());
    format!("data:image/bmp;base64,{}", BASE64_STANDARD.encode(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_a_bitmap() {
        let picture = picture(&mut Dice(ChaCha8Rng::seed_from_u64(1)));
        let file = BASE64_STANDARD.decode(picture.trim_start_matches("data:image/bmp;base64,")).expect("it is base64");
        assert_eq!((file.len(), &file[..2], file[10], file[14]), (70, &b"BM"[..], 54, 40));
    }
}
