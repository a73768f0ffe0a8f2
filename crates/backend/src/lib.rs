//! The contract between Edison and an inference engine.
//!
//! A [`Backend`] loads a model and hands out its [`Lane`]s. A lane is one exclusive way into the
//! loaded instance: everything that runs the engine takes `&mut` of one, so whoever owns the lane
//! (the lock above, through a lease) is the only one inside.
//!
//! What needs no exclusive access, turning a prompt into tokens, is the [`PromptEncoder`]'s, so
//! that a request that cannot run is refused without waiting for a lane.
//!
//! Not here: locks, queues, HTTP, serialisation, clocks. An implementation proves itself with the
//! `conformance` suite (feature `conformance`).

mod error;
mod event;
mod lane;
mod model;
mod request;
mod sampling;
mod text;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use error::{GenerateError, LaneBroken, LoadError, PromptError};
pub use event::{Event, EventStream, Finish, FinishReason, Usage};
pub use lane::Lane;
pub use model::{Backend, LoadProgress, LoadedModel, ModelInfo, ModelSource, ModelSpec, PromptEncoder};
pub use request::{ChatMessage, EncodedPrompt, GenerateRequest, Prompt, Role, TokenId};
pub use sampling::{OutOfRange, Sampling};
pub use text::{TextAssembler, Visible};
