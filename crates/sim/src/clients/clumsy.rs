//! Asks for what is not there, or for more than fits.

use super::{Neighbourhood, ask, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(2, 6))
        .map(|_| {
            let mut ask = ask(dice, place);
            if dice.percent(50) {
                ask.model = "nobody".to_owned();
            } else {
                ask.system = dice.small(100, 3_500);
            }
            step(dice.range(0, 60) * 100, vec![ask])
        })
        .collect()
}
