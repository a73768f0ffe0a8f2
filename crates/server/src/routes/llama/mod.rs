//! The paths of llama-server, in the parts that its clients use. A model can be left out: the first one is meant.

mod completion;
mod slots;

pub(crate) use completion::complete;
pub(crate) use slots::{adapters, props, slots};
