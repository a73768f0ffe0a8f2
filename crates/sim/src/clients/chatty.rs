//! Talks to one model, thinks, and asks again.

use super::{Neighbourhood, ask, model, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    let model = model(dice, place);
    (0..dice.range(3, 12))
        .map(|_| {
            let mut ask = ask(dice, place);
            ask.model.clone_from(&model);
            (ask.class, ask.stream) = (0, true);
            step(dice.range(0, 40) * 100, vec![ask])
        })
        .collect()
}
