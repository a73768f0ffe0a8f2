//! Which configuration is refused, at which line and key; and what is read back as it was written.

use std::path::Path;

use serving::Tier;

use super::parse::from_text;
use super::problem::Problem;
use super::{Adapter, Config, Source, from_models, to_toml};
use crate::embedded::Builtin;

const CORES: usize = 8;

fn read(text: &str) -> Result<Config, Vec<Problem>> {
    from_text(text, "edison.toml", Path::new("no-such-folder"), CORES).map_err(|problems| problems.problems)
}

/// A good configuration; rows of bad lines are put behind it, in its last table, or before it.
const MODEL: &str = "[[models]]\nname = \"a\"\nbuiltin = \"fast\"\n";

/// Every row: the text, and for each problem its line, its key and a part of its message.
#[test]
fn every_problem_has_its_line_and_key() {
    type Expected<'a> = (usize, &'a str, &'a str);
    let rows: &[(&str, &[Expected<'_>])] = &[
        ("", &[(1, "models", "no model is configured")]),
        ("models = 3", &[(1, "models", "[[models]]")]),
        ("models = []", &[(1, "models", "[[models]]")]),
        ("[[models]]\n", &[(1, "models[0].name", "missing"), (1, "models[0].file", "missing")]),
        ("[[models]]\nname = \"a b\"\nbuiltin = \"fast\"\n", &[(2, "models[0].name", "visible ASCII")]),
        ("[[models]]\nname = \"a\"\nbuiltin = \"fats\"\n", &[(3, "models[0].builtin", "fast, medium, deep, vision")]),
        (
            "[[models]]\nname = \"a\"\nfile = \"x.gguf\"\n",
            &[(3, "models[0].file", "no readable file at no-such-folder")],
        ),
        ("$queue_max = -1", &[(4, "models[0].queue_max", "from 0")]),
        ("$threads = 0", &[(4, "models[0].threads", "from 1 to 1024")]),
        ("$threads = 1.5", &[(4, "models[0].threads", "an integer")]),
        ("$lanes = 65", &[(4, "models[0].lanes", "from 1 to 64")]),
        ("$replicas = 0", &[(4, "models[0].replicas", "from 1 to 16")]),
        ("$step_tokens = 8", &[(4, "models[0].step_tokens", "from 16 to 2048")]),
        ("$saved_state_mib = 1048577", &[(4, "models[0].saved_state_mib", "from 0 to 1048576")]),
        ("$chat_template = \"x.jinja\"", &[(4, "models[0].chat_template", "no readable file at no-such-folder")]),
        ("$adapters = 1", &[(4, "models[0].adapters", "[[models.adapters]]")]),
        (
            "$[[models.adapters]]\nname = \"t:u\"\nfile = \"x.gguf\"\nscale = 11",
            &[
                (5, "models[0].adapters[0].name", "without a colon"),
                (6, "models[0].adapters[0].file", "no readable file at no-such-folder"),
                (7, "models[0].adapters[0].scale", "from -10 to 10"),
            ],
        ),
        (
            "$[[models.adapters]]\nscael = 1",
            &[
                (4, "models[0].adapters[0].name", "is missing"),
                (4, "models[0].adapters[0].file", "is missing"),
                (5, "models[0].adapters[0].scael", "did you mean \"scale\"?"),
            ],
        ),
        ("$max_tokens = 0", &[(4, "models[0].max_tokens", "from 1")]),
        ("$context_len = \"big\"", &[(4, "models[0].context_len", "an integer")]),
        ("$gpu_layers = true", &[(4, "models[0].gpu_layers", "an integer")]),
        ("$aliases = \"b\"", &[(4, "models[0].aliases", "an array of strings")]),
        ("$aliases = [\"\"]", &[(4, "models[0].aliases", "visible ASCII")]),
        ("$aliases = [\"b\", \"a\"]", &[(4, "models[0].aliases", "taken by models[0].name")]),
        ("$[[models]]\nname = \"a\"\nbuiltin = \"deep\"", &[(5, "models[1].name", "taken by models[0].name")]),
        ("$quue_max = 1", &[(4, "models[0].quue_max", "did you mean \"queue_max\"?")]),
        ("$zzz = 1", &[(4, "models[0].zzz", "known are name, file, builtin, projector, ")]),
        ("$[tier]\n", &[(4, "tier", "did you mean \"tiers\"?")]),
        ("$[tiers]\nfast = \"b\"", &[(5, "tiers.fast", "there is no model \"b\"")]),
        (
            "$aliases = [\"assistant\"]\n[tiers]\nfast = \"asistant\"",
            &[(6, "tiers.fast", "did you mean \"assistant\"?")],
        ),
        ("$[tiers]\nfats = \"a\"", &[(5, "tiers.fats", "did you mean \"fast\"?")]),
        (
            "$[[models]]\nname = \"deep\"\nbuiltin = \"deep\"\n[tiers]\ndeep = \"a\"",
            &[(8, "tiers.deep", "hides the model")],
        ),
        ("$[server]\nlisten = \"8811\"", &[(5, "server.listen", "127.0.0.1:8811")]),
        ("$[server]\nverify_models = 1", &[(5, "server.verify_models", "true or false")]),
        ("$[server]\nheaders_max_bytes = 10", &[(5, "server.headers_max_bytes", "from 8192")]),
        ("$[server]\nconnections_max = 0", &[(5, "server.connections_max", "from 1")]),
        (
            "$[server]\ntls_key = \"k\"",
            &[(5, "server.tls_key", "no readable"), (5, "server.tls_certificate", "is missing")],
        ),
        ("$[server]\nunix_socket = \"\"", &[(5, "server.unix_socket", "not empty")]),
        ("$[server]\napi_keys_file = \"keys\"", &[(5, "server.api_keys_file", "no readable file at no-such-folder")]),
        ("$[server]\ncors_origins = [\"a.example\"]", &[(5, "server.cors_origins", "is no origin")]),
        ("$[server]\ncors_origins = \"*\"", &[(5, "server.cors_origins", "an array")]),
        ("$[server]\nfetch_pictures = \"yes\"", &[(5, "server.fetch_pictures", "true or false")]),
        ("$[server]\nfetch_max_bytes = 1", &[(5, "server.fetch_max_bytes", "from 1024")]),
        ("$[server]\nfetch_timeout = \"0s\"", &[(5, "server.fetch_timeout", "from \"1ms\"")]),
        ("$[limits]\nfair_share = 1", &[(5, "limits.fair_share", "true or false")]),
        ("$[server]\nkeep_alive = \"5ms\"", &[(5, "server.keep_alive", "or \"0s\" for never")]),
        ("$[server]\ndrain_timeout = 30", &[(5, "server.drain_timeout", "\"30s\"")]),
        ("$[limits]\nqueue_timeout = \"0s\"", &[(5, "limits.queue_timeout", "from \"1ms\"")]),
        ("$[limits]\nevent_buffer = 0", &[(5, "limits.event_buffer", "from 1")]),
        ("limits = 1\n$", &[(1, "limits", "must be a table")]),
        ("$name = 1", &[(4, "", "duplicate key")]),
    ];
    for (text, expected) in rows {
        let text = text.replace('$', MODEL);
        let problems = read(&text).expect_err(&text);
        let found: Vec<_> = problems.iter().map(|problem| (problem.line.unwrap_or(0), problem.key.as_str())).collect();
        let wanted: Vec<_> = expected.iter().map(|(line, key, _)| (*line, *key)).collect();
        assert_eq!(found, wanted, "{text}\n{problems:?}");
        for (problem, (_, _, part)) in problems.iter().zip(*expected) {
            assert!(problem.message.contains(part), "{text}\n{:?} has no {part:?}", problem.message);
        }
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_their_lines() {
    let text = "[server]\nlisten = 1\nbody_max = 2\n[[models]]\nname = \"a\"\nbuiltin = \"fast\"\nthreads = 0\n[tiers]\nfast = \"b\"\n";
    let problems = from_text(text, "edison.toml", Path::new(""), CORES).expect_err("four problems");
    let message = problems.to_string();
    let places: Vec<_> = message.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["edison.toml:2", "edison.toml:3", "edison.toml:7", "edison.toml:9"], "{message}");
}

#[test]
fn what_is_not_said_takes_its_default() {
    let config = read(MODEL).expect("a good configuration");
    let demo = Config::demo(CORES);
    assert_eq!((config.listen, &config.http), (demo.listen, &demo.http));
    assert_eq!((config.models[0].queue_max, config.models[0].max_tokens), (64, 1024));
    assert_eq!(config.models[0].threads, 8, "one model may use every core");
    assert_eq!(demo.models[0].threads, 2, "four models share the cores");
}

#[test]
fn a_tier_that_is_not_mentioned_means_the_model_of_its_name() {
    let text = "[[models]]\nname = \"fast\"\nbuiltin = \"fast\"\n[[models]]\nname = \"x\"\nbuiltin = \"deep\"\n\
                aliases = [\"medium\"]\nmax_tokens = 1_000\n[tiers]\ndeep = \"x\"\n";
    let config = read(text).expect("a good configuration");
    let tiers: Vec<_> = config.tiers.iter().map(|(tier, model)| (*tier, model.as_str())).collect();
    assert_eq!(tiers, [(Tier::Fast, "fast"), (Tier::Medium, "x"), (Tier::Deep, "x")]);
    assert_eq!(config.models[1].max_tokens, 1000);
}

/// Two names of one file have to be seen to be one, or the file would be loaded twice.
#[test]
fn paths_are_relative_to_the_file_and_canonical() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("m.gguf"), "x").expect("a file");
    std::fs::create_dir(folder.path().join("sub")).expect("a folder");
    let text = "[[models]]\nname = \"a\"\nfile = \"m.gguf\"\n[[models]]\nname = \"b\"\nfile = \"sub/../m.gguf\"\n";
    let config = from_text(text, "edison.toml", folder.path(), CORES).expect("a good configuration");
    let canonical = folder.path().join("m.gguf").canonicalize().expect("it exists");
    assert!(config.models.iter().all(|model| model.source == Source::File(canonical.clone())));
}

/// An adapter is asked for behind the name of its model, which nobody else may have.
#[test]
fn adapters_are_read_with_their_scale_and_have_names_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("t.gguf"), "x").expect("a file");
    let adapter =
        |name: &str, more: &str| format!("[[models.adapters]]\nname = \"{name}\"\nfile = \"t.gguf\"\n{more}\n");
    let read = |text: String| from_text(&text, "edison.toml", folder.path(), CORES);
    let good = [MODEL, &adapter("t", ""), &adapter("u", "scale = -0.5"), &adapter("v", "scale = 2")].concat();
    let config = read(good).expect("a good configuration");
    let adapters: Vec<_> = config.models[0].adapters.iter().map(|a| (a.name.as_str(), a.scale.get())).collect();
    assert_eq!(adapters, [("t", 1.0), ("u", -0.5), ("v", 2.0)]);
    let printed = to_toml(&config);
    let again = read(printed.clone()).unwrap_or_else(|problems| panic!("{printed}\n{problems}"));
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
    let twice = [MODEL, &adapter("t", ""), &adapter("t", "")].concat();
    let other = "[[models]]\nname = \"a:t\"\nbuiltin = \"deep\"\n";
    let hidden = [MODEL, &adapter("t", ""), other].concat();
    for (text, part) in [(twice, "is taken by another adapter"), (hidden, "asked for as \"a:t\"")] {
        let problems = read(text).expect_err("two of one name").to_string();
        assert!(problems.contains(part), "{problems}");
    }
}

#[test]
fn models_of_the_command_line_are_checked() {
    let problems = from_models(&[("a".into(), "no-such-file".into()), ("b c".into(), "src".into())], CORES);
    let problems = problems.expect_err("three problems").to_string();
    for part in ["--model: a: no readable file", "--model: b c: the name must", "--model: b c: src is not a file"] {
        assert!(problems.contains(part), "{problems}");
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let config = from_models(&[("fast".into(), manifest)], CORES).expect("a file that exists");
    assert_eq!(config.tiers[&Tier::Fast], "fast");
}

#[test]
fn what_is_printed_is_read_back_as_it_was() {
    let text = "[server]\nlisten = \"[::1]:9\"\ndrain_timeout = \"1500ms\"\nkeep_alive = \"15s\"\nfetch_pictures = true\n\
                cors_origins = [\"https://a.example\"]\n[limits]\nhistory_max = 0\nfair_share = true\n\
                [[models]]\nname = \"x\"\nbuiltin = \"deep\"\naliases = [\"y\\\"z\"]\nqueue_max = 0\n\
                unload_after = \"90s\"\n[tiers]\ndeep = \"x\"\n";
    for config in [read(text).expect("a good configuration"), Config::demo(CORES)] {
        let printed = to_toml(&config);
        let again = read(&printed).unwrap_or_else(|problems| panic!("{printed}\n{problems:?}"));
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
        assert_eq!(to_toml(&again), printed);
    }
}

/// What is printed lies wherever somebody puts it.
#[test]
fn a_socket_beside_the_configuration_is_read_back_where_it_was() {
    let config = read(&format!("[server]\nunix_socket = \"edison.sock\"\n{MODEL}")).expect("a good configuration");
    let socket = std::env::current_dir().expect("a folder").join("no-such-folder/edison.sock");
    assert_eq!(config.unix_socket.as_ref(), Some(&socket));
    assert_eq!(read(&to_toml(&config)).expect("a good configuration").unix_socket, Some(socket));
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../edison.example.toml");
    std::fs::read_to_string(path).expect("the example lies in the root")
}

#[test]
fn the_example_says_what_is_served_without_a_configuration() {
    let config = read(&example()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(to_toml(&config), to_toml(&Config::demo(CORES)));
}

/// Method: every key that a printed configuration has must stand in the example, at least in a comment.
#[test]
fn the_example_mentions_every_key() {
    let example = example();
    let mut config = Config::demo(CORES);
    config.models[0].source = Source::File("x".into());
    config.models[1].source = Source::Builtin(Builtin::Fast);
    config.models[0].chat_template = Some("x".into());
    config.models[0].adapters.push(Adapter { name: "x".into(), file: "x".into(), scale: backend::Scale::ONE });
    config.api_keys = Some("x".into());
    config.tls = Some(("x".into(), "x".into()));
    config.unix_socket = Some("x".into());
    for line in to_toml(&config).lines().filter(|line| line.contains(" = ")) {
        let key = line.split(" = ").next().expect("a key");
        let mentions = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = "));
        assert!(example.lines().any(mentions), "{key} is not in edison.example.toml");
    }
}
