//! From a seed to a world.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::{self, Neighbourhood};
use crate::dice::Dice;
use crate::world::{Bounds, Fault, Model, Order, World};

/// Draws the world of this seed.
pub fn draw(seed: u64) -> World {
    let mut dice = Dice::new(seed, 0);
    let models: Vec<Model> = (0..dice.range(1, 4)).map(|n| model(&mut Dice::new(seed, 100 + n), n)).collect();
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let mut tiers = BTreeMap::new();
    for tier in ["fast", "medium", "deep"] {
        if dice.percent(60) {
            tiers.insert(tier.to_owned(), dice.pick(&names).clone());
        }
    }
    let bounds = bounds(&mut dice);
    let drain_at = if dice.percent(70) { 60_000 } else { dice.range(5_000, 60_000) };
    let drain_for = if dice.percent(20) { 0 } else { dice.range(0, 150) * 100 };
    let place =
        Neighbourhood { models: names, tiers: tiers.keys().cloned().collect(), stall_timeout: bounds.stall_timeout };
    let clients = (0..dice.range(3, 12)).map(|n| clients::draw(&mut Dice::new(seed, 1_000 + n), n, &place)).collect();
    let mut eyes = Dice::new(seed, 10);
    let path = |dice: &mut Dice| (*dice.pick(&["/health", "/ready", "/locks", "/v1/models"])).to_owned();
    let looks = (0..20).map(|_| (eyes.range(0, 60_000), path(&mut eyes))).collect();
    let orders = orders(&mut Dice::new(seed, 20), &models);
    World { models, tiers, bounds, clients, looks, orders, drain_at, drain_for }
}

/// Models that are told to go: some at one time, and some twice.
fn orders(dice: &mut Dice, models: &[Model]) -> Vec<Order> {
    let times = if dice.percent(50) { 0 } else { dice.range(1, 6) };
    let mut at = 0;
    (0..times)
        .map(|_| {
            if !dice.percent(20) {
                at = dice.range(0, 500) * 100;
            }
            Order { at, model: dice.pick(models).name.clone(), reload: dice.percent(50) }
        })
        .collect()
}

fn model(dice: &mut Dice, number: u64) -> Model {
    Model {
        name: format!("m{number}"),
        lanes: if dice.percent(70) { 1 } else { dice.small(2, 3) },
        queue_max: *dice.pick(&[0, 1, 2, 3, 5, 8, 64]),
        max_tokens: dice.small(16, 400),
        context_len: dice.small(150, 2_000),
        bytes_per_token: dice.range(1, 3) as u8,
        load: if dice.percent(40) { 0 } else { dice.range(0, 80) * 100 },
        load_fails: dice.percent(5),
        chunk: *dice.pick(&[8, 16, 64]),
        chunk_time: *dice.pick(&[0, 1, 5, 20, 100]),
        // Round numbers, so that much happens in the same instant.
        token_time: *dice.pick(&[0, 1, 5, 10, 10, 20, 50]),
        stop_time: *dice.pick(&[0, 0, 1, 10, 50, 300]),
        faults: faults(dice),
        // Last, so that what was drawn before this was there is drawn as it was.
        unload_after: dice.percent(30).then(|| dice.range(1, 80) * 100),
        failed_loads: failed_loads(dice),
    }
}

/// Some of the loads that come after the first, and often one behind the other.
fn failed_loads(dice: &mut Dice) -> BTreeSet<u64> {
    let times = if dice.percent(60) { 0 } else { dice.range(1, 5) };
    (0..times).map(|_| dice.range(2, 7)).collect()
}

fn faults(dice: &mut Dice) -> BTreeMap<u64, Fault> {
    let times = if dice.percent(40) { 0 } else { dice.range(1, 6) };
    (0..times)
        .map(|_| {
            // Far into an answer, too, where a slow reader is behind its engine.
            let tokens = match dice.range(0, 2) {
                0 => 0,
                1 => dice.small(1, 20),
                _ => dice.small(20, 150),
            };
            let fault = match dice.range(0, 99) {
                0..15 => Fault::FailAtOnce,
                15..35 => Fault::Fail(tokens),
                35..50 => Fault::Panic(tokens),
                50..60 => Fault::Hang(tokens),
                60..75 => Fault::IgnoreCancel(tokens),
                75..97 => Fault::Break(tokens, if dice.percent(70) { 0 } else { 1 }),
                _ => Fault::BreakForGood(tokens),
            };
            (dice.range(1, 25), fault)
        })
        .collect()
}

fn bounds(dice: &mut Dice) -> Bounds {
    let stall_timeout = dice.range(5, 50) * 100;
    Bounds {
        queue_timeout: dice.range(5, 300) * 100,
        stall_timeout,
        write_timeout: stall_timeout + dice.range(5, 100) * 100,
        event_buffer: *dice.pick(&[1, 2, 4, 64]),
        pipe: *dice.pick(&[256, 1024, 16 * 1024]),
    }
}
