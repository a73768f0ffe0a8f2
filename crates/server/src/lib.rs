//! Edison's HTTP face and command line.
//!
//! [`app()`] turns a [`serving::Service`] into routes; [`serve`] and [`serve_connection`] own the
//! connections, a listener's or a single one. Time is tokio's, the date, the ids and the end are values in
//! [`AppOptions`], so that a test can run all of it over a pipe in virtual time:
//!
//! ```no_run
//! # async fn example(service: serving::Service) {
//! let options = server::AppOptions { clock: server::WallClock::fixed(0), ..Default::default() };
//! let (limits, shutdown) = (options.limits.clone(), options.shutdown.clone());
//! let (_client, io) = tokio::io::duplex(4096);
//! server::serve_connection(io, server::app(service, options), &limits, server::Peer::default(), &shutdown).await;
//! # }
//! ```
//!
//! Not here: who may enter a model and when (`serving`), and what an engine does (`backend`).

mod access;
mod answer;
mod app;
mod catalogue;
mod check_command;
mod cli;
mod clock;
mod config;
mod connection;
mod doctor;
mod echo;
mod edison;
mod embedded;
mod engine;
mod entrance;
mod error;
mod fetch;
mod limits;
mod listen;
mod machine;
mod metrics;
#[cfg(feature = "mock")]
pub mod mock;
mod openapi;
mod output;
mod progress;
mod read_ahead;
mod report;
mod request_id;
mod routes;
mod run;
mod shutdown;
mod signals;
mod sse;
mod state;
mod telemetry;
mod tls;
mod trace_context;
mod under_way;
mod unix_socket;
mod validate;
mod wire;
mod write_timeout;

pub use access::{ApiKeys, Origins};
pub use app::{AppOptions, app};
pub use cli::Cli;
pub use clock::WallClock;
pub use connection::{Peer, serve_connection};
pub use fetch::{Network, PictureFetch, Pipe};
pub use limits::{HEADERS_MIN_BYTES, HttpLimits};
pub use listen::{Door, bind, serve, serve_all};
pub use metrics::Metrics;
pub use request_id::RequestIds;
pub use run::run;
pub use shutdown::Shutdown;
pub use tls::Tls;
