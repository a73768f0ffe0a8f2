//! One build of llama.cpp serves every command.
//!
//! It takes minutes. Cargo builds a dependency again for every other set of features, even those
//! of the helpers of its build script, and the sets depend on which packages a command selects. So
//! every command selects the whole workspace; this test asks cargo itself whether that was enough.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;

use serde_json::Value;

/// What `cargo xtask` runs, as far as it compiles llama.cpp.
const COMMANDS: &[&str] =
    &["build --workspace", "test --workspace", "check --workspace --all-targets", "doc --workspace --no-deps"];

/// What cargo would compile for `command`: its units, of which each names those that it needs by their place.
pub(crate) fn units(command: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(command.split(' '))
        // The plan without the work. It is not stable yet, but the toolchain is pinned.
        .args(["--unit-graph", "-Zunstable-options"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(crate::files::root())
        .output()
        .expect("the cargo that compiled this test can be run");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {command}: {complaint}");
    let graph: Value = serde_json::from_slice(&output.stdout).expect("a unit graph is JSON");
    graph["units"].as_array().expect("a unit graph lists its units").clone()
}

/// The identities of the runs of the engine's build script that `command` needs.
fn engine_builds(command: &str) -> BTreeSet<u64> {
    let units = units(command);
    let is_engine = |unit: &Value| {
        let package = unit["pkg_id"].as_str().unwrap_or_default();
        package.contains("llama-cpp-sys-2@") && unit["mode"] == "run-custom-build"
    };
    let mut known = HashMap::new();
    let engines = (0..units.len()).filter(|at| is_engine(&units[*at]));
    engines.map(|at| identity(&units, at, &mut known)).collect()
}

/// A number that two units share if cargo would share what they make.
fn identity(units: &[Value], at: usize, known: &mut HashMap<usize, u64>) -> u64 {
    if let Some(identity) = known.get(&at) {
        return *identity;
    }
    let unit = &units[at];
    let mut hasher = DefaultHasher::new();
    for part in ["pkg_id", "target", "mode", "features", "platform"] {
        unit[part].to_string().hash(&mut hasher);
    }
    let mut profile = unit["profile"].clone();
    // `dev` and `test` make the same of a dependency; only their settings count.
    profile["name"].take();
    profile.to_string().hash(&mut hasher);
    let dependencies = unit["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    let indices = dependencies.iter().filter_map(|dependency| dependency["index"].as_u64());
    let below = indices.filter_map(|index| usize::try_from(index).ok());
    let below = below.map(|index| identity(units, index, known)).collect::<BTreeSet<_>>();
    below.hash(&mut hasher);
    let identity = hasher.finish();
    known.insert(at, identity);
    identity
}

#[test]
fn every_command_shares_one_build_of_the_engine() {
    let first = engine_builds(COMMANDS[0]);
    assert_eq!(first.len(), 1, "`cargo {}` builds the engine once", COMMANDS[0]);
    for command in &COMMANDS[1..] {
        assert_eq!(
            engine_builds(command),
            first,
            "`cargo {command}` would build llama.cpp again: compare `cargo tree -e features` of \
             both for a build dependency with other features"
        );
    }
}

/// The checker must be able to fail.
/// Method: another profile is another build.
#[test]
fn the_checker_sees_another_build_as_another() {
    assert_ne!(engine_builds("build --workspace --release"), engine_builds(COMMANDS[0]));
}
