//! Is this server safe? Looks from outside for what goes wrong in servers that let many clients into few models.
//!
//! [`run`] speaks the OpenAI protocol to any server and judges it by [`CHECKS`], one after the other:
//!
//! ```no_run
//! # async fn example() -> Result<(), check::Problem> {
//! let target = check::Target::at("http://127.0.0.1:8811", None)?;
//! let report = check::run(&target, &check::Options::default(), &check::Silent).await?;
//! print!("{}", report.to_text());
//! # Ok(())
//! # }
//! ```
//!
//! # What it can know
//!
//! A black box shows answers and times, and nothing else. Each [`Check`] says what it shows and what it cannot show. What
//! cannot be told apart from noise, or from a server that simply works in another way, is [`Verdict::Inconclusive`]
//! and not a guess. Times are compared with times of the same run only.
//!
//! Time is tokio's and the connections are a value ([`Connect`]), so that all of it runs in virtual time over pipes.
//!
//! Not here: the command line (`edison check`), and any code of the server of this workspace: who judges must not share
//! the mistakes of the one who is judged.

mod chat;
mod checks;
mod http;
mod lab;
mod marker;
mod options;
mod probe;
mod problem;
mod report;
mod run;
mod sample;
mod sse;
mod target;
mod tls;

pub use checks::{CHECKS, Check};
pub use options::Options;
pub use problem::Problem;
pub use report::{Facts, Finding, Report, Verdict};
pub use run::{Silent, Step, Watch, run};
pub use target::{Connect, Stream, Target};
