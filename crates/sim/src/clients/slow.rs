//! Reads slowly, or not at all for a while.

use super::{Neighbourhood, ask, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(1, 4))
        .map(|_| {
            let mut ask = ask(dice, place);
            ask.stream = true;
            // So much that the engine gets ahead of its reader by all that there is to hold it.
            if dice.percent(60) {
                ask.text = ask.text.repeat(dice.range(2, 12) as usize);
                (ask.max_tokens, ask.stop) = (None, None);
            }
            if dice.percent(50) {
                ask.pace = dice.range(1, 30) * 10;
            } else {
                ask.stall = Some((dice.small(0, 10), dice.range(1, 3 * place.stall_timeout)));
            }
            step(dice.range(0, 50) * 100, vec![ask])
        })
        .collect()
}
