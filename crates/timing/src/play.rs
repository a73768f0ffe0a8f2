//! Plays a scenario once, and takes down when everybody asked, got the model, and let it go.

use std::time::Duration;

use backend::{Chat, ChatMessage, GenerateOptions, Prompt, Role, Sampling};
use serving::{Class, Generation, Outcome, Progress, Request};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::alone;
use crate::scenarios::{Measure, Part, Scenario};
use crate::world::{MODELS, World};

/// One request as it went. Times are in seconds since the scenario began.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// The name that was asked for.
    pub(crate) asked: &'static str,
    /// The model behind it.
    pub(crate) model: String,
    pub(crate) class: Class,
    pub(crate) arrived: f64,
    /// From when to when it held the model; `None`: it left before.
    pub(crate) held: Option<(f64, f64)>,
    /// When its client left, if it did.
    pub(crate) left: Option<f64>,
}

/// One repetition.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    pub(crate) bars: Vec<Bar>,
    /// One answer alone in this repetition, in seconds.
    pub(crate) alone: f64,
    /// What the scenario measures, divided by that.
    pub(crate) ratio: f64,
}

/// Plays `scenario` once.
pub(crate) async fn play(world: &World, scenario: &Scenario, repetition: usize) -> Result<Played, String> {
    let name = format!("{}-{repetition}", scenario.name);
    // Beside several models, the slowest of them is what all wait for in the end.
    let alone = if scenario.is_parallel {
        alone::measure(world, &name).await?
    } else {
        alone::of(world, &name, MODELS[0]).await?
    };
    let began = Instant::now();
    let mut tasks = Vec::new();
    for (number, part) in scenario.parts.iter().enumerate() {
        sleep_until(began + alone.mul_f64(part.at)).await;
        let id = id(&name, number);
        let request = Request { class: part.class, ..request(world, &id, part.model) };
        // Submitted here, one after the other, so that the order of arrival is the order of the list.
        let generation = world.service.submit(request).map_err(|refusal| refusal.to_string())?;
        let leaves = part.leaves.map(|at| began + alone.mul_f64(at));
        tasks.push(tokio::spawn(client(generation, began, leaves)));
    }
    let mut bars = Vec::new();
    for (number, (task, part)) in tasks.into_iter().zip(scenario.parts).enumerate() {
        let left = task.await.map_err(|error| error.to_string())??;
        bars.push((number, part, left));
    }
    at_rest(world).await;
    let bars = draw(world, &name, bars)?;
    let ratio = measured(&bars, scenario.measure) / alone.as_secs_f64();
    Ok(Played { bars, alone: alone.as_secs_f64(), ratio })
}

fn id(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}

/// A request with this id. The same answer each time.
pub(crate) fn request(world: &World, id: &str, model: &str) -> Request {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    Request {
        id: id.into(),
        client: None,
        model: model.into(),
        class: Class::Normal,
        prompt: Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, world.engine.question())])),
        options: GenerateOptions { sampling, ..GenerateOptions::default() },
        max_tokens: Some(400),
        queue_timeout: None,
    }
}

/// Reads an answer to its end, or leaves. Comes back with when it left.
async fn client(generation: Generation, began: Instant, leaves: Option<Instant>) -> Result<Option<f64>, String> {
    let Some(leaves) = leaves else {
        return to_the_end(generation).await.map(|()| None);
    };
    match timeout_at(leaves, to_the_end(generation)).await {
        // It was over before: on a machine that stood still meanwhile.
        Ok(ended) => ended.map(|()| None),
        Err(_) => Ok(Some(began.elapsed().as_secs_f64())),
    }
}

/// Reads an answer to its end.
pub(crate) async fn to_the_end(mut generation: Generation) -> Result<(), String> {
    generation.started().await.map_err(|refusal| refusal.to_string())?;
    while let Some(progress) = generation.next().await {
        if let Progress::Failed(failure) = progress {
            return Err(failure.to_string());
        }
    }
    Ok(())
}

/// Waits until nobody holds or waits for a model. Whoever left has been written down then.
async fn at_rest(world: &World) {
    let busy = || {
        let models = world.service.models();
        models.iter().any(|model| !model.waiting.is_empty() || model.lanes.iter().any(|lane| lane.state != "free"))
    };
    while busy() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What the clients saw and what the service wrote down, on one clock.
fn draw(world: &World, name: &str, parts: Vec<(usize, &'static Part, Option<f64>)>) -> Result<Vec<Bar>, String> {
    let outcomes = world.service.models().into_iter().flat_map(|model| model.history).collect::<Vec<Outcome>>();
    let of = |number| outcomes.iter().find(|outcome| outcome.request_id == id(name, number));
    // The service counts from its own start. The first request arrived when the scenario began.
    let zero = of(0).ok_or("the first request never got its model")?.arrived.as_secs_f64();
    let bars = parts.into_iter().map(|(number, part, left)| {
        let outcome = of(number);
        let seconds = |time: Duration| time.as_secs_f64() - zero;
        Bar {
            asked: part.model,
            model: outcome.map_or_else(|| part.model.to_owned(), |outcome| outcome.model.clone()),
            class: part.class,
            arrived: outcome.map_or(0.0, |outcome| seconds(outcome.arrived)),
            held: outcome.and_then(|outcome| Some((seconds(outcome.granted?), seconds(outcome.released?)))),
            left,
        }
    });
    Ok(bars.collect())
}

fn measured(bars: &[Bar], measure: Measure) -> f64 {
    let end = |bar: &Bar| bar.held.map_or(0.0, |(_, to)| to);
    match measure {
        Measure::Total => bars.iter().map(end).fold(0.0, f64::max),
        Measure::WaitOfTheLast => bars.last().map_or(0.0, |bar| bar.held.map_or(0.0, |(from, _)| from) - bar.arrived),
    }
}
