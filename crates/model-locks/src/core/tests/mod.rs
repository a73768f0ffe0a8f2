//! The core against a model that is right at a glance: every short history, and long random ones.

mod deep;
mod exhaustive;
mod random;
mod reference;
mod shares;
mod slab;
mod trial;

pub(super) use random::Random;
pub(super) use shares::Obvious;
