//! A world: everything that one run is made of, as plain data.
//!
//! It is drawn from a seed ([`draw`](crate::draw)), printed, kept in a file, and made smaller by [`shrink`](crate::shrink).
//! Times are milliseconds of virtual time; those of clients count from the start of the world.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serving::Class;

/// One world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The models, in the order of the configuration.
    pub models: Vec<Model>,
    /// The models that tiers mean, by the tier's name.
    pub tiers: BTreeMap<String, String>,
    /// What holds for all models.
    pub bounds: Bounds,
    /// Who asks.
    pub clients: Vec<Client>,
    /// Looks at the control plane: when, and at which path.
    pub looks: Vec<(u64, String)>,
    /// When a model is told to go, and perhaps to come back.
    #[serde(default)]
    pub orders: Vec<Order>,
    /// When the server is asked to stop.
    pub drain_at: u64,
    /// How long requests may go on after that.
    pub drain_for: u64,
}

/// A scripted model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its id. It also answers to the id with `-too` behind it.
    pub name: String,
    /// Its lanes.
    pub lanes: u32,
    /// How many may wait for it.
    pub queue_max: usize,
    /// Tokens of an answer whose request does not say.
    pub max_tokens: u32,
    /// Tokens of prompt and answer together.
    pub context_len: u32,
    /// Bytes of text in a token, 1 to 3.
    pub bytes_per_token: u8,
    /// How long it takes to load.
    pub load: u64,
    /// Whether the first load fails, for good.
    pub load_fails: bool,
    /// Further loads that fail, by their number; the first is 1.
    #[serde(default)]
    pub failed_loads: BTreeSet<u64>,
    /// Prompt tokens in one step.
    pub chunk: u32,
    /// How long each step of the prompt takes.
    pub chunk_time: u64,
    /// How long each token takes.
    pub token_time: u64,
    /// How long the engine goes on after it was asked to stop.
    pub stop_time: u64,
    /// How long nobody uses it before it is let go.
    #[serde(default)]
    pub unload_after: Option<u64>,
    /// What goes wrong in which call, from 1.
    pub faults: BTreeMap<u64, Fault>,
}

/// A model is told to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// When.
    pub at: u64,
    /// Which.
    pub model: String,
    /// Whether it is then told to come back, although nobody may wait for it.
    pub reload: bool,
}

/// What goes wrong in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// It fails before its first token.
    FailAtOnce,
    /// It fails after this many tokens.
    Fail(u32),
    /// It panics after this many tokens.
    Panic(u32),
    /// Nothing comes after this many tokens.
    Hang(u32),
    /// So many more tokens are made after the stop.
    IgnoreCancel(u32),
    /// The lane breaks after the first number of tokens, and so many resets fail before one works.
    Break(u32, u32),
    /// The lane breaks after this many tokens, for good.
    BreakForGood(u32),
}

/// What holds for all models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// How long a request may wait.
    pub queue_timeout: u64,
    /// How long a client may go without reading.
    pub stall_timeout: u64,
    /// How long a connection may stand still.
    pub write_timeout: u64,
    /// Events kept for a slow client.
    pub event_buffer: usize,
    /// Bytes under way in each direction of a connection.
    pub pipe: usize,
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name, which begins the ids of its requests.
    pub name: String,
    /// What kind of client this is, for people who read.
    pub kind: String,
    /// Whether it speaks HTTP/2, all requests over one connection.
    pub http2: bool,
    /// When it comes.
    pub comes: u64,
    /// What it does, one after the other.
    pub steps: Vec<Step>,
}

/// Asks that are made at one time, all of which are waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How long the client thinks before.
    pub wait: u64,
    /// What it asks.
    pub asks: Vec<Ask>,
}

/// One request, and how its client behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Its id. A repetition has `r1` and so on behind it.
    pub id: String,
    /// The name asked for: a model, an alias, a tier, or nothing that exists.
    pub model: String,
    /// 0 interactive, 1 normal, 2 background.
    pub class: u8,
    /// Whether the answer comes piece by piece.
    pub stream: bool,
    /// What is to be repeated, behind the id.
    pub text: String,
    /// Bytes of a system message before it; none with 0.
    pub system: u32,
    /// Tokens of the answer at most.
    pub max_tokens: Option<u32>,
    /// What ends the answer.
    pub stop: Option<String>,
    /// How long to wait for a lane.
    pub queue_timeout: Option<u64>,
    /// When the client leaves: after so long.
    pub leaves_after: u64,
    /// When the client leaves: after so many pieces of a stream.
    pub leaves_at_piece: Option<u32>,
    /// How long it takes to read a piece.
    pub pace: u64,
    /// It stops reading after so many pieces, for so long.
    pub stall: Option<(u32, u64)>,
    /// How often it asks again after a refusal, when the refusal says when.
    pub retries: u32,
}

impl Ask {
    /// Its class.
    pub fn class(&self) -> Class {
        Class::ALL[usize::from(self.class.min(2))]
    }

    /// The system message, if it has one.
    pub fn system_text(&self) -> Option<String> {
        (self.system > 0).then(|| "s".repeat(self.system as usize))
    }

    /// What is to be repeated under this id.
    pub fn echo(&self, id: &str) -> String {
        format!("{id} {}", self.text)
    }

    /// What the user says under this id.
    pub fn says(&self, id: &str) -> String {
        format!("Repeat after me: {}", self.echo(id))
    }
}

impl World {
    /// Every request that is written down.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.clients.iter().flat_map(|client| &client.steps).flat_map(|step| &step.asks)
    }

    /// The model of this id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == id)
    }

    /// How much there is in it: what shrinking makes less.
    pub fn size(&self) -> usize {
        let faults: usize = self.models.iter().map(|model| model.faults.len()).sum();
        let loads: usize = self.models.iter().map(|model| model.failed_loads.len()).sum();
        let parts = [self.models.len(), self.clients.len(), self.asks().count(), self.looks.len(), self.orders.len()];
        parts.into_iter().sum::<usize>() + faults + loads
    }
}
