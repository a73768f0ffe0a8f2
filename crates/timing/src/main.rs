//! Who waits for whom, in real time and on real threads: measured, judged and drawn.
//!
//! Each scenario is played several times over scripted models and over the demo models. What counts is how long it took
//! beside one answer alone, measured in the same repetition; nothing is compared with another run or another machine.
//! `cargo xtask timing` runs this.

mod alone;
mod judge;
mod page;
mod picture;
mod play;
mod scenarios;
mod svg;
mod table;
mod trace;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::judge::Result;
use crate::play::Played;
use crate::scenarios::SCENARIOS;
use crate::world::{Engine, World};

/// Measures who waits for whom, and draws it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write timing.svg, timing.html and timing.trace.json into this folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// How often each scenario is played
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let results = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let results = runtime.block_on(measure(usize::from(arguments.repeat)));
        // An engine's threads may still be ending.
        runtime.shutdown_background();
        results
    });
    let written = results.and_then(|results| write(&results, &arguments.out).map(|()| results));
    match written {
        Ok(results) => {
            print!("{}", table::text(&results));
            let bad = results.iter().filter(|result| !result.complaints.is_empty()).count();
            if bad > 0 {
                eprintln!("timing: {bad} of {} scenarios were not as promised", results.len());
            }
            ExitCode::from(u8::from(bad > 0))
        }
        Err(error) => {
            eprintln!("timing: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays everything.
async fn measure(repeat: usize) -> std::result::Result<Vec<Result>, String> {
    let mut results = Vec::new();
    for engine in [Engine::Mock, Engine::Demo] {
        let world = World::start(engine).await?;
        // The first answers of an engine pay for its memory.
        alone::measure(&world, "warm-up").await?;
        let mut plays: Vec<Vec<Played>> = SCENARIOS.iter().map(|_| Vec::new()).collect();
        for repetition in 0..repeat {
            eprintln!("{}, repetition {} of {repeat}", engine.describe(), repetition + 1);
            for (scenario, plays) in SCENARIOS.iter().zip(&mut plays) {
                plays.push(play::play(&world, scenario, repetition).await?);
            }
        }
        results.extend(SCENARIOS.iter().zip(plays).map(|(scenario, plays)| judge::judge(engine, scenario, plays)));
    }
    Ok(results)
}

fn write(results: &[Result], folder: &Path) -> std::result::Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let files = [
        ("timing.svg", picture::draw(results)),
        ("timing.html", page::write(results)),
        ("timing.trace.json", trace::write(results)),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).map_err(failed)?;
        println!("wrote {}", folder.join(name).display());
    }
    Ok(())
}
