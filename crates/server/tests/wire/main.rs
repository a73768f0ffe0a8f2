//! What goes over the wire, byte by byte, in virtual time: a scripted model behind the real connections.

mod bounds;
mod edison;
mod endings;
mod protocol;
mod support;
