//! Makes a world smaller that somebody objects to, as long as the same oracle goes on objecting.
//!
//! What is taken out is a part of the description, never a part of the chance: the rest stays exactly as it was.

use crate::oracles::judge;
use crate::play::play;
use crate::world::{Ask, World};

/// The smallest world that was found. `tell` hears of each step.
pub fn shrink(world: &World, oracle: &str, mut tell: impl FnMut(&World)) -> World {
    smallest(world, &mut |world| judge(&play(world)).iter().any(|objection| objection.oracle == oracle), &mut tell)
}

/// A change that makes a world smaller at a place, or `None` behind the last place.
type Change = fn(&World, usize, usize) -> Option<World>;

/// The coarse changes first: what goes with a whole client need not be looked at.
const CHANGES: &[Change] = &[clients, models, steps, asks, faults, looks, orders];

fn smallest(world: &World, fails: &mut dyn FnMut(&World) -> bool, tell: &mut dyn FnMut(&World)) -> World {
    let mut best = world.clone();
    loop {
        let size = best.size();
        for change in CHANGES {
            best = without(best, *change, fails, tell);
        }
        if best.size() == size {
            break;
        }
    }
    plain(best, fails)
}

/// Takes out halves, then quarters, and so on down to single parts.
fn without(
    mut best: World,
    change: Change,
    fails: &mut dyn FnMut(&World) -> bool,
    tell: &mut dyn FnMut(&World),
) -> World {
    let mut length = best.size().next_power_of_two() / 2;
    while length > 0 {
        let mut at = 0;
        while let Some(smaller) = change(&best, at, length) {
            if smaller.size() < best.size() && fails(&smaller) {
                best = smaller;
                tell(&best);
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    best
}

/// The list without `length` of its items from `at` on.
fn cut<T: Clone>(list: &[T], at: usize, length: usize) -> Option<Vec<T>> {
    let end = (at + length).min(list.len());
    (at < list.len()).then(|| [&list[..at], &list[end..]].concat())
}

fn clients(world: &World, at: usize, length: usize) -> Option<World> {
    Some(World { clients: cut(&world.clients, at, length)?, ..world.clone() })
}

fn models(world: &World, at: usize, length: usize) -> Option<World> {
    let models = cut(&world.models, at, length)?;
    let mut tiers = world.tiers.clone();
    tiers.retain(|_, id| models.iter().any(|model| model.name == *id));
    let mut orders = world.orders.clone();
    orders.retain(|order| models.iter().any(|model| model.name == order.model));
    Some(World { models, tiers, orders, ..world.clone() })
}

fn looks(world: &World, at: usize, length: usize) -> Option<World> {
    Some(World { looks: cut(&world.looks, at, length)?, ..world.clone() })
}

fn orders(world: &World, at: usize, length: usize) -> Option<World> {
    Some(World { orders: cut(&world.orders, at, length)?, ..world.clone() })
}

fn faults(world: &World, at: usize, length: usize) -> Option<World> {
    let total: usize = world.models.iter().map(|model| model.faults.len()).sum();
    let mut place = 0;
    let mut smaller = world.clone();
    for model in &mut smaller.models {
        model.faults.retain(|_, _| {
            place += 1;
            !(at..at + length).contains(&(place - 1))
        });
    }
    (at < total).then_some(smaller)
}

fn steps(world: &World, at: usize, length: usize) -> Option<World> {
    let total: usize = world.clients.iter().map(|client| client.steps.len()).sum();
    let mut place = 0;
    let mut smaller = world.clone();
    for client in &mut smaller.clients {
        client.steps.retain(|_| {
            place += 1;
            !(at..at + length).contains(&(place - 1))
        });
    }
    (at < total).then_some(smaller)
}

fn asks(world: &World, at: usize, length: usize) -> Option<World> {
    let total = world.asks().count();
    let mut place = 0;
    let mut smaller = world.clone();
    for step in smaller.clients.iter_mut().flat_map(|client| &mut client.steps) {
        step.asks.retain(|_| {
            place += 1;
            !(at..at + length).contains(&(place - 1))
        });
    }
    (at < total).then_some(smaller)
}

/// Makes every request that is left as ordinary as it can be.
fn plain(mut best: World, fails: &mut dyn FnMut(&World) -> bool) -> World {
    const PLAIN: &[fn(&mut Ask)] = &[
        |ask| ask.pace = 0,
        |ask| ask.stall = None,
        |ask| ask.leaves_at_piece = None,
        |ask| ask.stop = None,
        |ask| ask.system = 0,
        |ask| ask.max_tokens = None,
        |ask| ask.queue_timeout = None,
        |ask| ask.retries = 0,
        |ask| ask.text = "x".to_owned(),
    ];
    for change in PLAIN {
        let mut plainer = best.clone();
        let asks = plainer.clients.iter_mut().flat_map(|client| &mut client.steps).flat_map(|step| &mut step.asks);
        asks.for_each(change);
        if plainer != best && fails(&plainer) {
            best = plainer;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::smallest;
    use crate::draw::draw;

    /// Method: what fails is any world in which two particular requests are left.
    #[test]
    fn what_is_left_is_what_is_needed() {
        let world = draw(3);
        let ids: Vec<String> = world.asks().map(|ask| ask.id.clone()).collect();
        let needed = [ids[1].clone(), ids[ids.len() - 1].clone()];
        let small =
            smallest(&world, &mut |world| needed.iter().all(|id| world.asks().any(|ask| ask.id == *id)), &mut |_| {});
        let left: Vec<&str> = small.asks().map(|ask| ask.id.as_str()).collect();
        assert_eq!(left, needed);
        assert!(small.models.is_empty() && small.looks.is_empty() && small.orders.is_empty());
        assert!(small.asks().all(|ask| ask.text == "x"));
    }
}
