//! Two prompts with a long beginning in common.

use crate::Load;
use crate::engine::{self, prompt, request};
use crate::table::median;

/// Tokens in which the second prompt differs.
const END: usize = 16;

pub(crate) async fn run(load: &Load) -> Result<(), String> {
    let mut lanes = engine::lanes(load, |_| {}).await?;
    let lane = lanes.first_mut().ok_or("a model has a lane")?;
    let (mut first, mut second, mut n_cached) = (Vec::new(), Vec::new(), 0);
    for round in 0..=load.rounds {
        let tokens = prompt(load.prompt, round);
        let mut other = tokens.clone();
        let kept = tokens.len().saturating_sub(END);
        other[kept..].reverse();
        let new = engine::run(lane.as_mut(), request(tokens, 1, true)).await?;
        let again = engine::run(lane.as_mut(), request(other, 1, true)).await?;
        if round > 0 {
            first.push(new.first.as_secs_f64() * 1e3);
            second.push(again.first.as_secs_f64() * 1e3);
        }
        n_cached = again.n_cached;
    }
    let (first, second) = (median(&first), median(&second));
    println!("{}: prompts of {} tokens, {END} of them new", load.file.display(), load.prompt);
    println!("  first token after {first:.2} ms, then after {second:.2} ms with {n_cached} tokens used again");
    println!("  ratio {:.3} (goal: at most 0.100)", second / first);
    Ok(())
}
