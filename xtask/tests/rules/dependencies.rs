//! Who may know whom. ARCHITECTURE.md explains the picture; this table is what holds it in place.

use std::process::Command;

use serde_json::Value;

/// What one crate of the workspace may depend on. Dev-dependencies are free.
struct Row {
    name: &'static str,
    /// The members that it may know.
    members: &'static [&'static str],
    /// The crates from outside.
    outside: Outside,
    reason: &'static str,
}

enum Outside {
    /// None at all.
    None,
    /// Any, except these.
    AllBut(&'static [&'static [&'static str]]),
}

const HTTP: &[&str] =
    &["axum", "axum-core", "http", "http-body", "http-body-util", "hyper", "hyper-util", "tower", "tower-http"];
const SERDE: &[&str] = &["serde", "serde_json"];
const TOKIO: &[&str] = &["tokio", "tokio-util"];
const ENGINE: &[&str] = &["llama-cpp-2", "llama-cpp-sys-2"];

const TABLE: &[Row] = &[
    Row {
        name: "model-locks",
        members: &[],
        outside: Outside::None,
        reason: "the lock is std only: no models, runtime, clock, HTTP or serde, so that it can be \
                 used and verified alone",
    },
    Row {
        name: "model-locks-bench",
        members: &["model-locks"],
        outside: Outside::AllBut(&[HTTP, SERDE, ENGINE]),
        reason: "the lock beside other locks, in a package of its own so that they never reach the \
                 lock's builds; nobody depends on it",
    },
    Row {
        name: "model-locks-compile-fail",
        members: &["model-locks"],
        outside: Outside::None,
        reason: "what must not compile with the lock, in a package of its own because the answers \
                 are those of one compiler; nobody depends on it",
    },
    Row {
        name: "backend",
        members: &[],
        outside: Outside::AllBut(&[HTTP, SERDE, TOKIO, ENGINE]),
        reason: "the contract says what a model does, not who serves it, on what runtime, or how \
                 it is written down",
    },
    Row {
        name: "backend-mock",
        members: &["backend"],
        outside: Outside::AllBut(&[HTTP, ENGINE]),
        reason: "an implementation of the contract knows nothing above the contract",
    },
    Row {
        name: "backend-llama",
        members: &["backend"],
        outside: Outside::AllBut(&[HTTP]),
        reason: "the only crate that names llama.cpp; it knows nothing above the contract",
    },
    Row {
        name: "engine-bench",
        members: &["backend", "backend-llama"],
        outside: Outside::AllBut(&[HTTP]),
        reason: "the engine beside a bare loop over llama.cpp, in a package of its own because it names \
                 that too; nobody depends on it",
    },
    Row {
        name: "http-bench",
        members: &["backend", "backend-mock", "serving", "server"],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "the HTTP face beside a bare one, from outside; nobody depends on it",
    },
    Row {
        name: "serving",
        members: &["backend", "model-locks"],
        outside: Outside::AllBut(&[HTTP, SERDE, ENGINE]),
        reason: "it serves any backend over any protocol: no implementation, HTTP or wire types",
    },
    Row {
        name: "check",
        members: &[],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "who judges a server must not share code with it, nor its mistakes",
    },
    Row {
        name: "broken-server",
        members: &[],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "it has to be wrong in its own way; nobody depends on it but tests",
    },
    Row {
        name: "server",
        members: &["backend", "backend-llama", "backend-mock", "check", "model-locks", "serving"],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "the composition root sees everything, except the inside of an engine",
    },
    Row {
        name: "edison-tests",
        members: &["backend", "backend-llama", "backend-mock", "check", "model-locks", "serving", "server"],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "tests of promises see what a user of the crates sees; nobody depends on them",
    },
    Row {
        name: "timing",
        members: &["backend", "backend-llama", "backend-mock", "serving"],
        outside: Outside::AllBut(&[HTTP, ENGINE]),
        reason: "it times the locks below HTTP, over each engine; nobody depends on it",
    },
    Row {
        name: "sim",
        members: &["backend", "backend-mock", "model-locks", "serving", "server"],
        outside: Outside::AllBut(&[ENGINE]),
        reason: "the simulator sees the service from outside and scripts its engines; nobody depends on it",
    },
    Row {
        name: "xtask",
        members: &[],
        outside: Outside::None,
        reason: "it is compiled before anything else on a fresh machine; nobody depends on it",
    },
];

/// A dependency that exists only for a model checker is not one of the crate that is shipped.
const MODEL_CHECKERS: &[&str] = &["cfg(model_locks_loom)", "cfg(model_locks_shuttle)"];

/// A member and the crates that it depends on.
#[derive(Clone)]
struct Package {
    name: String,
    dependencies: Vec<String>,
}

/// Reads the members from cargo.
fn members() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crate::files::root())
        .output()
        .expect("the cargo that compiled this test can be run");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages.iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let name = |value: &Value| value["name"].as_str().expect("everything has a name").to_owned();
    let dependencies = package["dependencies"].as_array().expect("metadata lists dependencies");
    let checks = |target: &Value| target.as_str().is_some_and(|target| MODEL_CHECKERS.contains(&target));
    let shipped = |dependency: &&Value| dependency["kind"] != "dev" && !checks(&dependency["target"]);
    Package { name: name(package), dependencies: dependencies.iter().filter(shipped).map(name).collect() }
}

/// Everything in `packages` that `table` forbids, a sentence each.
fn violations(packages: &[Package], table: &[Row]) -> Vec<String> {
    packages
        .iter()
        .flat_map(|package| match table.iter().find(|row| row.name == package.name) {
            Some(row) => of_package(package, row, packages),
            None => vec![format!("`{}` has no row; add one that says what it may know", package.name)],
        })
        .collect()
}

fn of_package(package: &Package, row: &Row, packages: &[Package]) -> Vec<String> {
    let is_member = |name: &str| packages.iter().any(|package| package.name == name);
    let may = |name: &str| {
        if is_member(name) {
            return row.members.contains(&name);
        }
        match row.outside {
            Outside::None => false,
            Outside::AllBut(groups) => !groups.iter().any(|group| group.contains(&name)),
        }
    };
    let forbidden = package.dependencies.iter().filter(|name| !may(name));
    forbidden
        .map(|name| {
            format!(
                "`{}` depends on `{name}`, which its row forbids: {}. Move what needs it to a \
                 crate that may, or change the row in {} together with ARCHITECTURE.md.",
                package.name,
                row.reason,
                file!(),
            )
        })
        .collect()
}

#[test]
fn every_crate_knows_only_what_the_table_allows() {
    let found = violations(&members(), TABLE);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_row_stands_for_a_crate() {
    let members = members();
    let stale = TABLE.iter().filter(|row| !members.iter().any(|member| member.name == row.name));
    assert_eq!(stale.map(|row| row.name).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// The checker must be able to fail.
/// Method: plant each forbidden edge in the true workspace, one at a time.
#[test]
fn the_checker_objects_to_planted_violations() {
    let planted = [
        ("model-locks", "futures-core"),
        ("model-locks", "backend"),
        ("model-locks", "model-locks-bench"),
        ("model-locks", "model-locks-compile-fail"),
        ("server", "model-locks-bench"),
        ("backend", "serde"),
        ("backend", "tokio"),
        ("backend-mock", "serving"),
        ("backend-llama", "model-locks"),
        ("backend-llama", "axum"),
        ("serving", "backend-mock"),
        ("serving", "serde_json"),
        ("serving", "hyper"),
        ("server", "llama-cpp-2"),
        ("server", "xtask"),
        ("server", "broken-server"),
        ("check", "server"),
        ("check", "backend"),
        ("broken-server", "check"),
        ("server", "edison-tests"),
        ("server", "sim"),
        ("sim", "backend-llama"),
        ("xtask", "clap"),
    ];
    for (name, dependency) in planted {
        let mut packages = members();
        let package = packages.iter_mut().find(|package| package.name == name);
        package.expect("a member").dependencies.push(dependency.to_owned());
        let found = violations(&packages, TABLE);
        let objection = format!("`{name}` depends on `{dependency}`");
        assert!(found.iter().any(|line| line.starts_with(&objection)), "{objection}: {found:?}");
    }
}

#[test]
fn a_crate_without_a_row_is_noticed() {
    let stranger = Package { name: "stranger".to_owned(), dependencies: Vec::new() };
    assert_eq!(violations(&[stranger], TABLE).len(), 1);
}
