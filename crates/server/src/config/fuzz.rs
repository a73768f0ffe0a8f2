//! Configurations that somebody wrote wrongly: refused with line and key, or taken and within their bounds. The harness and
//! the texts are those of the fuzzer of requests, `tests/fuzz`.

use std::path::Path;

use proptest::prelude::TestCaseError;
use proptest::test_runner::TestCaseResult;

use super::parse::from_text;
use super::{Config, to_toml};
use crate::limits::HEADERS_MIN_BYTES;

#[path = "../../tests/fuzz/run.rs"]
mod run;
#[path = "../../tests/fuzz/text.rs"]
mod text;

const CORES: usize = 8;

/// The one that explains every key, and one that is short and at the edges.
const GOOD: &[&str] = &[
    include_str!("../../../../edison.example.toml"),
    "[server]\nlisten = \"[::1]:9\"\ndrain_timeout = \"1500ms\"\nkeep_alive = \"15s\"\nbody_max_bytes = 2_000\n\
     cors_origins = [\"https://a.example\"]\nheaders_max_bytes = 8192\nconnections_max = 1\n\
     fetch_pictures = true\nfetch_timeout = \"1ms\"\nfetch_max_bytes = 1024\n\
     [limits]\nhistory_max = 0\nfair_share = true\nqueue_timeout = \"1ms\"\nevent_buffer = 1\n\
     [[models]]\nname = \"x\"\nbuiltin = \"deep\"\naliases = [\"y\"]\nqueue_max = 0\nunload_after = \"90s\"\nlanes = 64\n\
     replicas = 16\nstep_tokens = 16\nsaved_state_mib = 1048576\nthreads = 1024\ncontext_len = 0\nmax_tokens = 1\ngpu_layers = 0\n[tiers]\ndeep = \"x\"\n",
];

#[test]
fn configurations() {
    run::hold("configurations", text::texts(GOOD), |text| property(&text));
}

fn property(text: &str) -> TestCaseResult {
    let fail = |reason: String| Err(TestCaseError::fail(reason));
    let read = |text: &str| from_text(text, "edison.toml", Path::new("no-such-folder"), CORES);
    let config = match read(text) {
        Ok(config) => config,
        Err(problems) if problems.problems.is_empty() => return fail("refused without a problem".to_owned()),
        Err(problems) => {
            let lines = text.lines().count().max(1) + 1;
            let placed = |line: Option<usize>| line.is_some_and(|line| (1..=lines).contains(&line));
            let bare = problems.problems.iter().find(|problem| !placed(problem.line) || problem.message.is_empty());
            return bare.map_or(Ok(()), |problem| fail(format!("a problem without a place: {problem:?}")));
        }
    };
    if let Some(bound) = broken_bound(&config) {
        return fail(format!("not so: {bound}"));
    }
    let printed = to_toml(&config);
    match read(&printed) {
        Ok(again) if format!("{again:?}") == format!("{config:?}") => Ok(()),
        other => fail(format!("it is not read back as it was: {printed}\n{other:?}")),
    }
}

fn broken_bound(config: &Config) -> Option<&'static str> {
    let (http, limits) = (&config.http, &config.limits);
    let of_the_server = [
        ("a body may have a KiB", http.body_max_bytes >= 1024 && http.bodies_max_bytes >= 1024),
        ("headers have the least buffer", http.headers_max_bytes >= HEADERS_MIN_BYTES),
        ("there is a connection", (1..=1_000_000).contains(&http.connections_max)),
        ("times are above zero", !http.body_read_timeout.is_zero() && !http.write_timeout.is_zero()),
        ("waits are above zero", !limits.queue_timeout.is_zero() && !limits.stall_timeout.is_zero()),
        ("events have room", limits.event_buffer >= 1),
        ("there is a model", !config.models.is_empty()),
    ];
    let of_models = config.models.iter().flat_map(|model| {
        [
            ("a name is visible", !model.name.is_empty() && model.name.bytes().all(|byte| byte.is_ascii_graphic())),
            ("threads are 1 to 1024", (1..=1024).contains(&model.threads)),
            ("lanes are 1 to 64", (1..=64).contains(&model.lanes)),
            ("replicas are 1 to 16", (1..=16).contains(&model.tuning.replicas)),
            ("a step has 16 to 2048 tokens", (16..=2048).contains(&model.tuning.step_tokens)),
            ("at most a TiB is kept of what lanes computed", model.tuning.saved_state_mib <= 1 << 20),
            ("an answer has a token", model.max_tokens >= 1),
        ]
    });
    let exists = |name: &String| config.models.iter().any(|model| model.name == *name || model.aliases.contains(name));
    let tiers = ("tiers mean models", config.tiers.values().all(exists));
    of_the_server.into_iter().chain(of_models).chain([tiers]).find(|(_, holds)| !holds).map(|(bound, _)| bound)
}
