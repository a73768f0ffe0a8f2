//! The whole service in virtual time, from a seed.
//!
//! A seed draws a [`World`](world::World): models and what goes wrong in them, bounds, clients of several kinds, a drain.
//! [`play()`](play::play) runs the real service and the real HTTP stack over scripted engines and in-memory pipes, on one
//! thread, under a paused clock, and writes down everything that happens: a [`History`](history::History). Then
//! [`judge`](oracles::judge) holds the history to the promises of README's tables.
//!
//! The same seed gives the same history, byte for byte. So a failure is a number.
//!
//! Not here: more than one thread (`loom` and `shuttle` try the lock's interleavings), real time, and the real engine.

mod act;
pub mod campaign;
pub mod canaries;
pub mod clients;
pub mod dice;
pub mod draw;
pub mod facts;
pub mod history;
mod network;
pub mod oracles;
pub mod play;
pub mod saved;
pub mod shrink;
pub mod timeline;
pub mod world;
