//! `POST /v1/responses`, as the OpenAI protocol writes it. Like the other wire types, these check nothing.

pub(crate) mod event;
pub(crate) mod request;
pub(crate) mod response;
