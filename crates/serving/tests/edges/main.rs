//! The service against its surroundings: the backend, the log, slow encoders. One binary, since linking takes longest.

mod embedding;
mod faltering;
mod mocked_backend;
mod mocks;
mod places;
mod played;
mod surroundings;
mod unloading;
