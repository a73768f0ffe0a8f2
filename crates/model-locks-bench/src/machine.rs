//! On what the numbers were taken.

use std::fs;
use std::process::Command;
use std::thread;

/// One line: processor, cores, load, compiler. What the system does not tell is left out.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut parts = vec![format!("{cores} cores")];
    parts.extend(processor());
    parts.extend(load().map(|load| format!("load {load}")));
    parts.extend(compiler());
    parts.join(" · ")
}

fn processor() -> Option<String> {
    let about = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = about.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load() -> Option<String> {
    Some(fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.to_owned())
}

/// The compiler of this directory, which is the one that has built us if nobody has interfered.
fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let name = version.split(" (").next()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}
