//! How fast the engine is: `cargo xtask bench engine`.
//!
//! Everything that is compared runs in one process or at least at one time, one after the other in each round, so a busy
//! machine slows all alike: believe the ratios. What is shown is the median of the rounds.

mod bare;
mod clock;
mod engine;
mod held;
mod http;
mod lanes;
mod raw;
mod reuse;
mod soak;
mod table;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

/// Measures the engine, or a server beside another one.
#[derive(Debug, Parser)]
#[command(name = "engine-bench", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One lane beside a bare loop over llama.cpp, prompt and answer apart
    Raw(Load),
    /// Lanes that are computed together: tokens per second of 1, 2, 4 and 8 of them
    Lanes(Load),
    /// Several models at one time: tokens per second of 1, 2 and 3 of them
    Models(Load),
    /// Two prompts with a long beginning in common: the time to the first token of each
    Reuse(Load),
    /// A conversation that returns after another took its lane: the time to its first token with its state saved and without
    Returning(Load),
    /// A server beside another one, over HTTP, with the same load on both
    Http(http::Arguments),
    /// The server under clients that leave and models that go, and what it has at rest afterwards
    Soak(soak::Arguments),
}

/// What is loaded, and how much of it is done.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// A GGUF file
    pub(crate) file: PathBuf,
    /// CPU threads of each model
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: u32,
    /// Tokens of a prompt
    #[arg(long, default_value_t = 512)]
    pub(crate) prompt: usize,
    /// Tokens of an answer
    #[arg(long, default_value_t = 128)]
    pub(crate) answer: u32,
    /// Tokens of a context; long enough for both
    #[arg(long, default_value_t = 1024)]
    pub(crate) context: u32,
    /// Rounds
    #[arg(long, default_value_t = 7, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) rounds: usize,
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match Cli::parse().what {
        What::Raw(load) => runtime.block_on(raw::run(&load)),
        What::Lanes(load) => runtime.block_on(lanes::together(&load)),
        What::Models(load) => runtime.block_on(lanes::models(&load)),
        What::Reuse(load) => runtime.block_on(reuse::run(&load)),
        What::Returning(load) => runtime.block_on(reuse::returning(&load)),
        What::Http(arguments) => http::run(&arguments),
        What::Soak(arguments) => soak::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
