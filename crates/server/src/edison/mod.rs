//! What EDISON's own protocol decides, as plain functions: where a message goes, what is said to the model, and what is
//! made of its words. Not here: HTTP (`routes::edison`), and who may enter a model (`serving`).

pub(crate) mod instructions;
pub(crate) mod memory;
pub(crate) mod patterns;
pub(crate) mod router;
pub(crate) mod steps;
pub(crate) mod title;
