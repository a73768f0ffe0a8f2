//! One answer alone: the unit of everything else.

use std::time::Duration;

use crate::play;
use crate::world::{Engine, MODELS, World};

/// The time of one answer of the slowest model while nobody else asks, from the request to the end.
pub(crate) async fn measure(world: &World, name: &str) -> Result<Duration, String> {
    let mut slowest = Duration::ZERO;
    for model in MODELS {
        slowest = slowest.max(of(world, name, model).await?);
    }
    Ok(slowest)
}

/// The same of one model: the shortest of a few, where it is computed. A core that has had nothing to do is slow at first,
/// and in the scenario it has something to do.
pub(crate) async fn of(world: &World, name: &str, model: &str) -> Result<Duration, String> {
    let tries = if world.engine == Engine::Demo { 3 } else { 1 };
    let mut shortest = Duration::MAX;
    for attempt in 0..tries {
        shortest = shortest.min(once(world, &format!("{name}-alone-{model}-{attempt}"), model).await?);
    }
    Ok(shortest)
}

async fn once(world: &World, id: &str, model: &str) -> Result<Duration, String> {
    let began = tokio::time::Instant::now();
    play::to_the_end(world.service.submit(play::request(world, id, model)).map_err(|refusal| refusal.to_string())?)
        .await?;
    Ok(began.elapsed())
}
