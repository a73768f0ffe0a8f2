//! `model-locks` beside other locks: `cargo xtask bench locks`.
//!
//! All candidates of a table run in one process, one after the other in each round, so a busy machine slows them all
//! alike: believe the ratios, not the nanoseconds. Goals are judged and shown; a missed one does not fail the run.
//! The results are drawn into the folder that is named on the command line.

mod clock;
mod contest;
mod goals;
mod machine;
mod memory;
mod peers;
mod plot;
mod queue;
mod registry;
mod svg;
mod tasks;
mod threads;
mod uncontended;

use std::env;
use std::io;
use std::path::Path;

use contest::Results;

fn main() -> io::Result<()> {
    clock::print_load("before");
    let mut results = Results::default();
    uncontended::run(&mut results);
    tasks::run(&mut results);
    threads::run(&mut results);
    queue::run(&mut results);
    registry::run(&mut results);
    memory::run(&mut results);
    goals::print(&results);
    clock::print_load("after");
    env::args_os().nth(1).map_or(Ok(()), |folder| plot::write(&results, Path::new(&folder)))
}
