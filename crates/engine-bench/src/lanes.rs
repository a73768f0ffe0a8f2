//! Several answers at one time: lanes that are computed together, and models beside each other.

use backend::Lane;
use futures_util::future::try_join_all;

use crate::Load;
use crate::clock::Start;
use crate::engine::{self, prompt, request};
use crate::table::{best, median, per_second};

/// Lanes that are tried.
const LANES: [u32; 4] = [1, 2, 4, 8];
/// Models that are tried.
const MODELS: usize = 3;

/// Tokens per second of answers on all these lanes at one time. Their prompts are short.
async fn rate(lanes: &mut [Box<dyn Lane>], load: &Load, round: usize) -> Result<f64, String> {
    let n_tokens = lanes.len() * load.answer as usize;
    let start = Start::now();
    let answers = lanes
        .iter_mut()
        .enumerate()
        .map(|(number, lane)| engine::run(lane.as_mut(), request(prompt(8, round * 64 + number), load.answer, false)));
    try_join_all(answers).await?;
    Ok(per_second(n_tokens, start.elapsed()))
}

pub(crate) async fn together(load: &Load) -> Result<(), String> {
    let mut candidates = Vec::new();
    for n in LANES {
        candidates.push((n, engine::lanes(load, |spec| spec.lanes = n).await?, Vec::new()));
    }
    for round in 0..=load.rounds {
        for (_, lanes, rates) in &mut candidates {
            let rate = rate(lanes, load, round).await?;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    println!("{}: {} threads, median of {} rounds", load.file.display(), load.threads, load.rounds);
    for (n, _, rates) in &candidates {
        let share = best(rates) / best(&candidates[0].2);
        println!("  {n} lanes {:>10.1} t/s, at best {:>10.1}: {share:.2} of one alone", median(rates), best(rates));
    }
    Ok(())
}

pub(crate) async fn models(load: &Load) -> Result<(), String> {
    let mut all: Vec<Box<dyn Lane>> = Vec::new();
    for _ in 0..MODELS {
        all.extend(engine::lanes(load, |_| {}).await?);
    }
    let mut rates = vec![Vec::new(); MODELS];
    for round in 0..=load.rounds {
        for (n, rates) in rates.iter_mut().enumerate() {
            let rate = rate(&mut all[..=n], load, round).await?;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    println!("{}: {} threads each, median of {} rounds", load.file.display(), load.threads, load.rounds);
    for (n, rates) in rates.iter().enumerate() {
        println!("  {} models {:>10.1} t/s together, at best {:>10.1}", n + 1, median(rates), best(rates));
    }
    Ok(())
}
