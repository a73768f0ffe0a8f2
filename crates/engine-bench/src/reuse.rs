//! Two prompts with a long beginning in common, one behind the other or with another one between them.

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

/// MiB for saved states: room for more than what is measured.
const SAVED_MIB: u32 = 1024;

pub(crate) async fn returning(load: &Load) -> Result<(), String> {
    let mut without = engine::lanes(load, |_| {}).await?;
    let mut with = engine::lanes(load, |spec| spec.tuning.saved_state_mib = SAVED_MIB).await?;
    let (mut took, mut others, mut cached) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()], [0, 0]);
    for round in 0..=load.rounds {
        for (n, lanes) in [&mut without, &mut with].into_iter().enumerate() {
            let lane = lanes.first_mut().ok_or("a model has a lane")?;
            let tokens = prompt(load.prompt, 2 * round);
            let mut longer = tokens.clone();
            longer.extend(prompt(END, 2 * round + 1));
            engine::run(lane.as_mut(), request(tokens, 1, true)).await?;
            let other = engine::run(lane.as_mut(), request(prompt(load.prompt, 2 * round + 1), 1, true)).await?;
            let again = engine::run(lane.as_mut(), request(longer, 1, true)).await?;
            if round > 0 {
                took[n].push(again.first.as_secs_f64() * 1e3);
                others[n].push(other.first.as_secs_f64() * 1e3);
            }
            cached[n] = again.n_cached;
        }
    }
    let ([without, with], [plain, saving]) = (took.map(|ms| median(&ms)), others.map(|ms| median(&ms)));
    println!("{}: prompts of {} tokens that return with {END} more", load.file.display(), load.prompt);
    println!("  first token after {without:.2} ms without their state, {} tokens used again", cached[0]);
    println!("  first token after {with:.2} ms with it, {} tokens used again: ratio {:.3}", cached[1], with / without);
    println!("  whoever takes their lane: {plain:.2} ms, and {saving:.2} ms with saving: ratio {:.3}", saving / plain);
    Ok(())
}
