//! `edison mock`: the same server over a scripted engine, for tests.
//!
//! A [`Script`] says what is answered to what, how long everything takes, and what goes wrong. Requests meet the queue, the
//! locks, the refusals and the cancellation of production: only the engine is played. What happened can be asked for:
//!
//! ```
//! use server::mock::{MockServer, ReplyScript, Rule, Script, When};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script {
//!     strict: true,
//!     rules: vec![Rule::new(When::user_contains("weather"), ReplyScript::text("Sunny, 21 degrees."))],
//!     ..Script::default()
//! };
//! let server = MockServer::start(script).await?;
//! // Point the program under test at it, for example as OPENAI_BASE_URL.
//! assert!(server.base_url().ends_with("/v1"));
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # let body = r#"{"model":"fast","messages":[{"role":"user","content":"How is the weather?"}]}"#;
//! # let mut stream = tokio::net::TcpStream::connect(server.address()).await?;
//! # let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
//! # stream.write_all(format!("{head}{body}").as_bytes()).await?;
//! # let mut answer = String::new();
//! # stream.read_to_string(&mut answer).await?;
//! # assert!(answer.contains("Sunny, 21 degrees."), "{answer}");
//! let journal = server.journal();
//! assert_eq!(journal.overlaps, 0, "no engine was entered twice");
//! assert_eq!(journal.requests[0].outcome.as_deref(), Some("finished"));
//! // It stops when it is dropped.
//! # Ok(())
//! # }
//! ```
//!
//! Not here: rules and faults themselves (`backend-mock`), and anything that `edison serve` runs.

mod command;
mod control;
mod entry;
mod face;
mod journal;
mod read;
mod record;
mod script;
mod server;
mod style;
mod tamper;
mod world;

pub use backend_mock::{
    Call, FaultScript, FinishName, Piece, Replies, ReplyScript, Rule, Rules, Scheduled, Then, Time, UsageScript, When,
};
pub use journal::{Grant, Journal, JournalPart, JournalRequest};
pub use script::{LimitsScript, ModelScript, Script, ScriptError, TiersScript};
pub use server::{Mock, MockServer, StartError};

pub(crate) use command::{MockArgs, run};
