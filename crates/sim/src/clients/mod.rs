//! The kinds of clients: each draws what one client will do. How it is done is the same for all: `act`.

mod bursty;
mod chatty;
mod clumsy;
mod leaver;
mod retrier;
mod slow;
mod title_maker;

use crate::dice::Dice;
use crate::world::{Ask, Client, Step};

/// What a client knows of the world when it is drawn.
pub struct Neighbourhood {
    /// The ids of the models.
    pub models: Vec<String>,
    /// The tiers that mean something.
    pub tiers: Vec<String>,
    /// How long a client may go without reading.
    pub stall_timeout: u64,
}

/// Draws the client of this number.
pub fn draw(dice: &mut Dice, number: u64, place: &Neighbourhood) -> Client {
    let name = format!("c{number}");
    let (kind, steps) = match dice.range(0, 99) {
        0..25 => ("chatty", chatty::steps(dice, place)),
        25..45 => ("bursty", bursty::steps(dice, place)),
        45..55 => ("slow", slow::steps(dice, place)),
        55..75 => ("leaver", leaver::steps(dice, place)),
        75..85 => ("retrier", retrier::steps(dice, place)),
        85..95 => ("title maker", title_maker::steps(dice, place)),
        _ => ("clumsy", clumsy::steps(dice, place)),
    };
    let http2 = dice.percent(25);
    let comes = if dice.percent(30) { 0 } else { dice.range(0, 40_000) };
    let mut client = Client { name, kind: kind.to_owned(), http2, comes, steps };
    number_asks(&mut client);
    client
}

fn number_asks(client: &mut Client) {
    let asks = client.steps.iter_mut().flat_map(|step| &mut step.asks);
    for (number, ask) in asks.enumerate() {
        ask.id = format!("{}-{number}", client.name);
    }
}

/// An ordinary request.
fn ask(dice: &mut Dice, place: &Neighbourhood) -> Ask {
    Ask {
        id: String::new(),
        model: model(dice, place),
        class: dice.range(0, 2) as u8,
        stream: dice.percent(70),
        text: text(dice),
        system: if dice.percent(60) { 0 } else { dice.small(1, 200) },
        max_tokens: dice.percent(50).then(|| dice.small(1, 120)),
        stop: dice.percent(15).then(|| (*dice.pick(&["e", "the", "été", "qq"])).to_owned()),
        queue_timeout: dice.percent(15).then(|| dice.range(0, 50) * 100),
        // Everybody's patience ends at some time; otherwise an engine that hangs would be held for ever.
        leaves_after: dice.range(200, 600) * 100,
        leaves_at_piece: None,
        pace: 0,
        stall: None,
        retries: 0,
    }
}

fn model(dice: &mut Dice, place: &Neighbourhood) -> String {
    if !place.tiers.is_empty() && dice.percent(25) {
        return dice.pick(&place.tiers).clone();
    }
    let model = dice.pick(&place.models);
    if dice.percent(20) { format!("{model}-too") } else { model.clone() }
}

/// Words, some with characters of several bytes, so that tokens end within them.
fn text(dice: &mut Dice) -> String {
    const WORDS: &[&str] = &["the", "crab", "🦀", "été", "night", "日本", "lane", "\"quoted\"", "a\\b", "\n", "of"];
    (0..dice.range(1, 18)).map(|_| *dice.pick(WORDS)).collect::<Vec<_>>().join(" ")
}

fn step(wait: u64, asks: Vec<Ask>) -> Step {
    Step { wait, asks }
}
