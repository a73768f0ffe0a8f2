//! A soak: tens of thousands of requests in minutes, with clients that leave and models that go, and what the process has
//! afterwards.
//!
//! In each phase clients of every kind ask at random, from a seed; then all models are let go, and what the server has at
//! rest is written down: memory, threads, open files. Threads and files must be no more than after the first phase. Memory
//! may go up at first, because an allocator keeps what it was given in pieces of the sizes that were asked for; so the end is
//! held against the first half. (Ten phases of three minutes, with one heap: 140 to
//! 169 MiB in the first six, then 117, 133, 117 and 117; by the allocator's own count 1.4 of them were in use.)

mod clients;
mod process;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;

use self::clients::Tally;
use self::process::Server;
use crate::clock::Start;
use crate::held::Held;
use crate::wire;

/// How long, and how many.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The server's program; by default the one beside this one
    #[arg(long)]
    program: Option<PathBuf>,
    /// Minutes in all
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Phases, each with a rest at its end
    #[arg(long, default_value_t = 10)]
    phases: u32,
    /// Clients at one time
    #[arg(long, default_value_t = 8)]
    clients: u64,
    /// Decides what they ask
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Models of each kind of engine: one lane with an adapter and saved states, two that are computed together, two contexts
/// with drafts, and one that sees pictures.
pub(crate) const MODELS: [&str; 4] = ["fast", "medium", "deep", "vision"];
/// What a request may call the first of them with its adapter at work.
pub(crate) const ADAPTED: &str = "fast:tone";
const CONFIGURATION: &str = concat!(
    r#"
[server]
listen = "127.0.0.1:0"
[limits]
queue_timeout = "20s"
[[models]]
name = "fast"
builtin = "fast"
saved_state_mib = 4
[[models.adapters]]
name = "tone"
file = '"#,
    env!("CARGO_MANIFEST_DIR"),
    r#"/../../fixtures/models/edison-demo-fast-adapter.gguf'
[[models]]
name = "medium"
builtin = "medium"
lanes = 2
unload_after = "3s"
[[models]]
name = "deep"
builtin = "deep"
replicas = 2
draft_tokens = 8
[[models]]
name = "vision"
builtin = "vision"
queue_max = 2
"#
);

/// Memory at rest that the last phase may have beyond the most of the first half.
const MIB_MORE_MAX: f64 = 8.0;

/// # Errors
/// What grew, or an answer that no client may get.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let server = Server::start(arguments.program.as_deref(), CONFIGURATION)?;
    let phase = Duration::from_secs_f64(arguments.minutes.max(0.1) * 60.0 / f64::from(arguments.phases.max(2)));
    println!(
        "{:>5} {:>9} {:>7} {:>6} {:>8} {:>8} | {:>9} {:>9} {:>8} {:>6}",
        "phase", "answered", "left", "gone", "refused", "tokens", "most MiB", "rest MiB", "threads", "files"
    );
    let mut rests: Vec<Held> = Vec::new();
    for number in 0..arguments.phases.max(2) {
        let (tally, most) = load(&server, arguments, u64::from(number), phase)?;
        let rest = rest(&server, rests.first())?;
        println!(
            "{:>5} {:>9} {:>7} {:>6} {:>8} {:>8} | {most:>9.1} {:>9.1} {:>8} {:>6}",
            number + 1,
            tally.answered,
            tally.left,
            tally.unloaded,
            tally.refused,
            tally.tokens,
            rest.mib,
            rest.threads,
            rest.files
        );
        if let Some(wrong) = tally.wrong.first() {
            return Err(format!("{} answers that no client may get; the first: {wrong}", tally.wrong.len()));
        }
        if tally.answered == 0 || tally.left == 0 || tally.unloaded == 0 {
            return Err("a phase too short to say anything: give it more --minutes, or fewer --phases".to_owned());
        }
        rests.push(rest);
    }
    judge(&rests)
}

/// Compares the rests: nothing may grow on.
fn judge(rests: &[Held]) -> Result<(), String> {
    let Some((first, later)) = rests.split_first() else { return Ok(()) };
    let mut grown = Vec::new();
    for (number, rest) in (2..).zip(later) {
        if rest.threads > first.threads {
            grown.push(format!("phase {number}: {} threads at rest, {} after the first", rest.threads, first.threads));
        }
        if rest.files > first.files {
            grown.push(format!("phase {number}: {} open files at rest, {} after the first", rest.files, first.files));
        }
    }
    let before = rests[..rests.len().div_ceil(2)].iter().map(|rest| rest.mib).fold(0.0, f64::max);
    if let Some(last) = later.last().filter(|last| last.mib > before + MIB_MORE_MAX) {
        grown.push(format!("{:.1} MiB at rest in the end, at most {before:.1} in the first half", last.mib));
    }
    if grown.is_empty() { Ok(()) } else { Err(grown.join("\n")) }
}

/// Lets clients ask for as long as a phase lasts; returns what they met and the most memory that was seen.
fn load(server: &Server, arguments: &Arguments, phase: u64, long: Duration) -> Result<(Tally, f64), String> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| {
                let seed = arguments.seed ^ (phase << 32) ^ (number << 16);
                let over = &over;
                scope.spawn(move || clients::ask_until(&server.address, seed, over))
            })
            .collect();
        let (begun, mut most) = (Start::now(), Ok::<f64, String>(0.0));
        while let (Ok(so_far), true) = (&most, begun.elapsed() < long) {
            pause(Duration::from_secs(1));
            most = server.held().map(|held| held.mib.max(*so_far));
        }
        over.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in clients {
            all.add(client.join().map_err(|_| "a client panicked".to_owned())?);
        }
        Ok((all, most?))
    })
}

/// How long a process may take to come to rest: tokio keeps a thread that blocked and is idle for ten seconds.
const REST: Duration = Duration::from_secs(12);

/// Lets every model go, and waits until the process has as little as it had before, or for as long as a rest takes, which the
/// first one always does: what is not given back by then would be taken for the server's own in every later phase.
fn rest(server: &Server, before: Option<&Held>) -> Result<Held, String> {
    for model in MODELS {
        let body = serde_json::json!({ "model": model }).to_string();
        wire::post(&server.address, "/models/unload", &body).and_then(wire::Answer::whole)?;
    }
    let begun = Start::now();
    loop {
        pause(Duration::from_millis(500));
        let held = server.held()?;
        let settled = before.is_some_and(|before| held.threads <= before.threads && held.files <= before.files);
        if settled || begun.elapsed() > REST {
            return Ok(held);
        }
    }
}

fn pause(time: Duration) {
    let (_keep, nobody) = mpsc::channel::<()>();
    let _timeout = nobody.recv_timeout(time);
}

#[cfg(test)]
mod tests {
    use super::{Held, judge};

    fn held(mib: f64, threads: usize, files: usize) -> Held {
        Held { mib, peak_mib: mib, anonymous_mib: mib, threads, files }
    }

    #[test]
    fn what_grows_is_named() {
        let verdict = |last: Held| judge(&[held(50.0, 9, 20), held(70.0, 9, 20), held(60.0, 8, 20), last]);
        assert_eq!(verdict(held(77.0, 9, 20)), Ok(()), "within what the first half has had");
        for (grown, word) in [(held(79.0, 9, 20), "MiB"), (held(50.0, 10, 20), "threads"), (held(50.0, 9, 21), "files")]
        {
            assert!(verdict(grown).is_err_and(|why| why.contains(word)), "{word}");
        }
    }
}
