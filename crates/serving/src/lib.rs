//! From a request to a lane and back.
//!
//! A [`Service`] owns the models. [`Service::submit`] finds the model that a request names, puts the
//! request into that model's queue, and gives a task of its own the rest: wait, run under the
//! lease, stop, give the lane back, write the [`Outcome`]. The caller holds a [`Generation`], reads
//! text from it, and leaves by dropping it.
//!
//! Order of a request's life, and what ends it early:
//!
//! ```text
//! submit ── unknown name, queue full, draining ──> Refusal, at once
//!   │
//! waiting ── deadline, prompt refused, model failed ──> Refusal
//!   │    (the prompt is encoded meanwhile: a prompt that cannot run does not wait for its turn)
//! lease ── engine fails before the first token ──> Refusal
//!   │
//! first token: `started` resolves; from here on an error is the last event of the stream
//!   │
//! engine has stopped (`quiesce`) ──> outcome is written ──> lane goes home ──> last event
//! ```
//!
//! Not here: HTTP, serialisation, any implementation of `backend`.

mod affinity;
mod canary;
mod config;
mod embed;
mod embeddings;
mod encode;
mod encoding;
mod faltering;
mod feature;
mod generation;
mod history;
mod instance;
mod keeping;
mod live;
mod outcome;
mod place;
mod plan;
mod quietly;
mod refusal;
mod repair;
mod request;
mod resolve;
mod routing;
mod run;
mod service;
mod shutdown;
mod unloading;
mod until;
mod view;
mod wishes;

pub use config::{Limits, ModelConfig, ServiceConfig};
pub use embeddings::{Embedded, Embeddings};
pub use encoding::Encoding;
pub use feature::Feature;
pub use generation::{Completed, Failure, Generation, Progress, Started};
pub use model_locks::{Class, Event as LockEvent};
pub use outcome::{Ended, Outcome, Phase, Timings};
pub use place::Place;
pub use plan::PlanError;
pub use refusal::Refusal;
pub use request::{EmbedRequest, Input, Request, Shorten};
pub use routing::Tier;
pub use service::{LockObserver, OutcomeObserver, Service};
pub use view::{AdapterView, HolderView, LaneView, LoadState, ModelState, ModelView, WaiterView};
