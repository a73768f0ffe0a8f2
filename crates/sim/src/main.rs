//! `cargo xtask sim`.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use sim::campaign::{self, Failure, Report, Task};
use sim::canaries::{self, CANARIES, Canary};
use sim::draw::draw;
use sim::history::catch_panics;
use sim::oracles::ORACLES;
use sim::play::play;
use sim::saved::{self, Saved};
use sim::{shrink, timeline};

/// The whole service in virtual time, from a seed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim")]
struct Arguments {
    /// The first seed; without it, the hash of the commit.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds, one after the other; 1 with `--seed`, otherwise 200.
    #[arg(long)]
    seeds: Option<u64>,
    /// Take the hash of the commit as the first seed. That is the default.
    #[arg(long, conflicts_with = "seed")]
    commit: bool,
    /// Play every n-th world twice and compare the histories.
    #[arg(long, default_value_t = 10)]
    twice: u64,
    /// Look for a smaller world to which the same oracle objects.
    #[arg(long)]
    shrink: bool,
    /// Keep the world that failed in `fixtures/seeds`, with this sentence about why.
    #[arg(long)]
    save: Option<String>,
    /// Print the whole history of one seed.
    #[arg(long, requires = "seed")]
    history: bool,
    /// Plant this bug, which must then be found.
    #[arg(long)]
    canary: Option<String>,
    /// Plant every bug, one after the other.
    #[arg(long)]
    canaries: bool,
    /// What a canary is hunted with: fixed seeds, in order, up to the first objection.
    #[arg(long, hide = true)]
    hunt: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    catch_panics();
    let outcome = match &arguments {
        Arguments { hunt: true, .. } => hunted(arguments.seeds.unwrap_or(1)),
        Arguments { canaries: true, .. } => hunt(&CANARIES.iter().collect::<Vec<_>>()),
        Arguments { canary: Some(name), .. } => match CANARIES.iter().find(|canary| canary.name == name) {
            Some(canary) => hunt(&[canary]),
            None => Err(format!("there is no canary {name}")),
        },
        _ => simulate(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<(), String> {
    let (first, from) = match arguments.seed {
        Some(seed) => (seed, String::new()),
        None => of_commit()?,
    };
    let seeds = arguments.seeds.unwrap_or(if arguments.seed.is_some() { 1 } else { 200 });
    println!("seed={first}{from}   seeds={seeds}   replay: cargo xtask sim --seed {first} --seeds {seeds}");
    if arguments.history {
        print!("{}", play(&draw(first)));
    }
    let kept = saved::all(&saved::folder())?;
    let n_kept = kept.len() as u64;
    let make = |number: u64| match kept.get(number as usize) {
        Some((name, saved)) => Task {
            name: format!("fixtures/seeds/{name}.json"),
            replay: "cargo xtask sim".to_owned(),
            world: saved.world.clone(),
            twice: true,
        },
        None => of_seed(first.wrapping_add(number - n_kept), (number - n_kept).is_multiple_of(arguments.twice.max(1))),
    };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, took) = timed(|| campaign::run(seeds + n_kept, jobs, make));
    let Report { worlds, twice, entries, requests, failure } = report;
    let rate = (worlds + twice) as f64 * 60.0 / took.as_secs_f64();
    println!(
        "{worlds} worlds ({n_kept} kept, {twice} played twice) with {requests} requests and {entries} events in \
         {took:.1?}: {rate:.0} worlds a minute on {jobs} threads"
    );
    match failure {
        None => {
            // Read by `cargo xtask verify`, which looks for the proofs of the promises.
            let names: Vec<&str> = ORACLES.iter().map(|oracle| oracle.name).collect();
            println!("{} oracles without an objection: {}", names.len(), names.join(", "));
            Ok(())
        }
        Some(failure) => Err(failed(arguments, first, n_kept, &failure)?),
    }
}

fn of_seed(seed: u64, twice: bool) -> Task {
    let replay = format!("cargo xtask sim --seed {seed}");
    Task { name: format!("seed={seed}"), replay, world: draw(seed), twice }
}

/// Tells a failure; makes it smaller and keeps it if that was asked for.
fn failed(arguments: &Arguments, first: u64, n_kept: u64, failure: &Failure) -> Result<String, String> {
    let Failure { number, task, history, objections } = failure;
    let mut text = timeline::tell(&task.name, &task.replay, history, objections);
    let mut world = task.world.clone();
    if arguments.shrink {
        let oracle = objections.first().map_or("", |objection| objection.oracle);
        world = shrink::shrink(&world, oracle, |smaller| eprintln!("smaller: {} parts", smaller.size()));
        let history = play(&world);
        let objections = sim::oracles::judge(&history);
        text += "\nA smaller world:\n\n";
        text += &timeline::tell(&task.name, &task.replay, &history, &objections);
        text += &format!("\n{world:#?}\n");
    }
    if let Some(why) = &arguments.save {
        let seed = first.wrapping_add(number.saturating_sub(n_kept));
        let saved = Saved { seed, why: why.clone(), world };
        let path = saved::add(&saved::folder(), &format!("{seed}"), &saved)?;
        text += &format!("\nkept in {}\n", path.display());
    }
    Ok(text)
}

/// The first half of the hash of the commit.
fn of_commit() -> Result<(u64, String), String> {
    let git = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let hash = git.ok().filter(|git| git.status.success()).map(|git| String::from_utf8_lossy(&git.stdout).into_owned());
    let hash = hash.ok_or("there is no commit to take the seed from; name one: --seed N")?;
    let seed = hash.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok());
    let seed = seed.ok_or_else(|| format!("no hash: {hash}"))?;
    Ok((seed, format!(" (commit {})", hash.get(..12).unwrap_or_default())))
}

/// The other side of [`hunt`].
fn hunted(seeds: u64) -> Result<(), String> {
    let report = campaign::run(seeds, 1, |number| of_seed(number + 1, false));
    match report.failure {
        None => Err("nobody objects".to_owned()),
        Some(failure) => {
            println!("found {} {}", failure.number + 1, failure.objections[0].oracle);
            println!("{}", timeline::tell(&failure.task.name, "", &failure.history, &failure.objections));
            Ok(())
        }
    }
}

fn hunt(canaries: &[&Canary]) -> Result<(), String> {
    if !cfg!(feature = "canary") {
        return Err("the canaries are not built in: use `cargo xtask sim --canaries`".to_owned());
    }
    println!("{:18} {:18} {:>6} {:>6}  by", "canary", "in", "within", "seed");
    let mut escaped = Vec::new();
    for canary in canaries {
        let hunted = canaries::hunt(canary);
        let (seed, by) = match &hunted {
            Ok((seed, oracle)) => (seed.to_string(), oracle.as_str()),
            Err(why) => ("-".to_owned(), why.as_str()),
        };
        println!("{:18} {:18} {:>6} {seed:>6}  {by}", canary.name, canary.place, canary.within);
        if hunted.is_err() {
            escaped.push(canary.name);
        }
    }
    if escaped.is_empty() { Ok(()) } else { Err(format!("not caught: {}", escaped.join(", "))) }
}

#[expect(clippy::disallowed_methods, reason = "how fast the simulator is, is the one question about real time here")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
