//! One answer alone: the unit of everything else.

use std::time::Duration;

use crate::play;
use crate::world::{MODELS, World};

/// The time of one answer of the slowest model while nobody else asks, from the request to the end.
pub(crate) async fn measure(world: &World, name: &str) -> Result<Duration, String> {
    let mut slowest = Duration::ZERO;
    for model in MODELS {
        slowest = slowest.max(of(world, name, model).await?);
    }
    Ok(slowest)
}

/// The same of one model.
pub(crate) async fn of(world: &World, name: &str, model: &str) -> Result<Duration, String> {
    let id = format!("{name}-alone-{model}");
    let began = tokio::time::Instant::now();
    play::to_the_end(world.service.submit(play::request(world, &id, model)).map_err(|refusal| refusal.to_string())?)
        .await?;
    Ok(began.elapsed())
}
