//! The service against its surroundings: the backend, the log, slow encoders. One binary, since linking takes longest.

mod embedding;
mod mocked_backend;
mod mocks;
mod places;
mod surroundings;
mod unloading;
