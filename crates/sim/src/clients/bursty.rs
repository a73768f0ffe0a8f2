//! Asks for many things at once, and after a while again.

use super::{Neighbourhood, ask, model, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(1, 4))
        .map(|_| {
            let model = model(dice, place);
            let mut asks: Vec<_> = (0..dice.range(3, 16)).map(|_| ask(dice, place)).collect();
            for ask in &mut asks {
                if dice.percent(80) {
                    ask.model.clone_from(&model);
                }
            }
            step(dice.range(0, 100) * 100, asks)
        })
        .collect()
}
