//! What goes over the wire, byte by byte, in virtual time: a scripted model behind the real connections.

mod access;
mod bounds;
mod chat;
mod completions;
mod defects;
mod described;
mod edison;
mod edison_clients;
mod embeddings;
mod endings;
mod fake;
mod fetching;
mod keep_alive;
mod llama;
mod messages;
mod observed;
mod openapi;
mod protocol;
mod rerank;
mod responses;
mod retry_after;
mod rude;
mod support;
