//! Asks again when it is told when to, as `Retry-After` says.

use super::{Neighbourhood, ask, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(2, 6))
        .map(|_| {
            let mut asks: Vec<_> = (0..dice.range(1, 4)).map(|_| ask(dice, place)).collect();
            asks.iter_mut().for_each(|ask| ask.retries = dice.small(1, 3));
            step(dice.range(0, 50) * 100, asks)
        })
        .collect()
}
