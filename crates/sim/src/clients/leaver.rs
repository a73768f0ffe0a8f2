//! Leaves: while it waits, while its prompt is processed, in the middle of the answer.

use super::{Neighbourhood, ask, step};
use crate::dice::Dice;
use crate::world::Step;

pub(super) fn steps(dice: &mut Dice, place: &Neighbourhood) -> Vec<Step> {
    (0..dice.range(2, 8))
        .map(|_| {
            let mut asks: Vec<_> = (0..dice.range(1, 3)).map(|_| ask(dice, place)).collect();
            for ask in &mut asks {
                match dice.range(0, 2) {
                    // At once, or while it waits or is being prepared: round, like the times of the models.
                    0 => ask.leaves_after = dice.range(0, 20) * 10,
                    1 => ask.leaves_after = dice.range(0, 40) * 100,
                    _ => (ask.stream, ask.leaves_at_piece) = (true, Some(dice.small(0, 15))),
                }
            }
            if dice.percent(50) {
                // Or one behind the other, as far apart as engines take to stop: who gets the lane of one leaves in the instant
                // in which it is given.
                let (first, apart) = (asks[0].clone(), *dice.pick(&[0, 1, 10, 50, 300]));
                for (ask, nth) in asks.iter_mut().zip(0..) {
                    (ask.leaves_after, ask.leaves_at_piece) = (first.leaves_after + nth * apart, None);
                    ask.model.clone_from(&first.model);
                }
            }
            step(dice.range(0, 40) * 100, asks)
        })
        .collect()
}
