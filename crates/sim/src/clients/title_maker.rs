//! Wants short answers that nobody waits for, many of them.

use super::{Neighbourhood, ask, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(3, 12))
        .map(|_| {
            let mut ask = ask(dice, place);
            (ask.class, ask.stream, ask.max_tokens) = (2, false, Some(dice.small(4, 24)));
            step(dice.range(0, 30) * 100, vec![ask])
        })
        .collect()
}
