//! The only clock of the benchmarks.

use std::time::{Duration, Instant};

/// How long `work` takes.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured; nothing else is decided by it")]
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// What [`timed`] reports for no work at all, in nanoseconds: to be taken off the time of single operations.
pub(crate) fn overhead() -> f64 {
    let mut empty = (0..1001).map(|_| timed(|| ()).as_nanos() as f64).collect::<Vec<_>>();
    empty.sort_by(f64::total_cmp);
    empty[empty.len() / 2]
}

/// Says how busy the machine is, where it tells.
pub(crate) fn print_load(when: &str) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    println!("load {when}: {} ({cores} cores)", load.trim());
}
