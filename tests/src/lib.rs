//! What the tests of the promises share: a service over scripted models, one over the real engine, and clients of
//! the HTTP face.

pub mod chance;
pub mod client;
pub mod engine;
pub mod world;
