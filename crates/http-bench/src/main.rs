//! The HTTP face of the server, measured: `cargo xtask bench http`.
//!
//! Everything that is compared runs in one process, one after the other in each round, so a busy machine slows all alike:
//! believe the ratios. What is shown is the median of the rounds.

mod child;
mod cost;
mod crowd;
mod load;
mod servers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the HTTP face of the server.
#[derive(Debug, Parser)]
#[command(name = "http-bench", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What a completion and a streamed token cost beside a bare hyper server, layer by layer
    Cost(cost::Arguments),
    /// What connections do that are opened and left, by default 10,000 of each kind
    Crowd(crowd::Arguments),
    /// The server that `crowd` looks at
    #[command(hide = true)]
    Serve(child::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().what {
        What::Cost(arguments) => cost::run(&arguments),
        What::Crowd(arguments) => crowd::run(&arguments),
        What::Serve(arguments) => child::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
