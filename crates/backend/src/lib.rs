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

mod adapter;
mod chat;
mod embedding;
mod error;
mod event;
mod image;
mod lane;
mod model;
mod options;
mod request;
mod sampling;
mod text;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use adapter::{Adapter, AdapterSpec, NotAScale, Scale};
pub use chat::{Chat, ChatMessage, Role, Tool, ToolCall, ToolChoice};
pub use embedding::Embedding;
pub use error::{GenerateError, LaneBroken, LoadError, PromptError};
pub use event::{CallPart, Candidate, Event, EventStream, Finish, FinishReason, Token, TokenLogprob, Usage};
pub use image::{Image, NotAnImage, PlacedImage};
pub use lane::Lane;
pub use model::{
    Backend, Capabilities, LoadProgress, LoadedModel, MemoryEstimate, ModelInfo, ModelSource, ModelSpec, PromptEncoder,
    SavedStates, Tuning,
};
pub use options::{Constraint, GenerateOptions};
pub use request::{EncodedPrompt, GenerateRequest, IMAGE_TOKENS, Pair, Prompt, TokenId};
pub use sampling::{Dry, Mirostat, MirostatVersion, OutOfRange, Sampling, Xtc};
pub use text::{TextAssembler, Visible};
