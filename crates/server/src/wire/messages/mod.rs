//! `POST /v1/messages`, as the Anthropic protocol writes it. Like the other wire types, these check nothing.

pub(crate) mod request;
pub(crate) mod response;
