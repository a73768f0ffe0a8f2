//! Requests that nobody would write, at every parser: arbitrary bytes, arbitrary JSON, and good requests with changes, in
//! their bodies and in their heads.
//!
//! Whatever comes, nothing panics, nothing is answered with a 5xx, every refusal has the shape of its protocol and says what is
//! wrong, and what is accepted is within its bounds when it reaches the engine. Cases come from a seed, so every run of a
//! seed is the same; one that fails is made smaller first. Time is virtual.
//!
//! A short run is among the tests. `cargo xtask fuzz --cases N` is the long one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod body;
mod change;
mod elsewhere;
mod head;
mod headers;
mod judge;
mod node;
mod odd;
mod run;
mod said;
#[cfg(feature = "mock")]
mod script;
mod targets;
#[cfg(feature = "mock")]
mod text;
mod witness;
mod world;

use run::hold;
use world::{Engine, Target};

/// Every target has a test of its own, so that a failure has its name and they run side by side.
macro_rules! fuzz {
    ($($name:ident: $path:literal,)*) => {
        $(#[test]
        fn $name() {
            every_request_to($path, Engine::Watched);
        })*

        /// A parser that nobody fuzzes would be one that nobody noticed.
        #[test]
        fn every_path_that_takes_a_body_is_fuzzed() {
            let fuzzed: std::collections::BTreeSet<String> = [$($path.to_owned()),*].into();
            assert_eq!(world::posts(), fuzzed);
        }
    };
}

fuzz! {
    chats: "/v1/chat/completions",
    completions: "/v1/completions",
    embeddings: "/v1/embeddings",
    ranking: "/v1/rerank",
    ranking_of_llama: "/rerank",
    reranking_of_llama: "/reranking",
    responses: "/v1/responses",
    messages: "/v1/messages",
    counting: "/v1/messages/count_tokens",
    llama_completions: "/completion",
    tokenizing: "/tokenize",
    detokenizing: "/detokenize",
    templates: "/apply-template",
    edison_chats: "/chat",
    edison_streams: "/chat/stream",
    cancelling: "/chat/cancel",
    titles: "/generate-title",
    loading: "/models/load",
    unloading: "/models/unload",
}

fn every_request_to(path: &'static str, engine: Engine) {
    let target = Target::new(path, engine);
    hold(&target.name(), targets::cases(path), |case| target.hold(&case));
    target.finish();
}

/// Methods, targets, queries and headers, good ones and those that nobody would write, as bytes over a connection.
#[test]
fn heads() {
    every_head(Engine::Watched);
}

/// The mock stands before the server, and has headers and a query of its own.
#[cfg(feature = "mock")]
#[test]
fn heads_to_the_mock() {
    every_head(Engine::Scripted);
}

fn every_head(engine: Engine) {
    let target = Target::new(" heads", engine);
    // They cost little, and there is much that they can be: many to a case.
    let several = proptest::collection::vec(head::raws(), 1..40);
    hold(&target.name(), several, |raws| raws.iter().try_for_each(|raw| target.hold_raw(raw)));
    target.finish();
}

/// The mock has more to refuse: schemas and grammars that it cannot make an answer of.
#[cfg(feature = "mock")]
#[test]
fn chats_with_the_mock() {
    every_request_to("/v1/chat/completions", Engine::Scripted);
}

#[cfg(feature = "mock")]
#[test]
fn messages_to_the_mock() {
    every_request_to("/v1/messages", Engine::Scripted);
}

#[cfg(feature = "mock")]
#[test]
fn responses_of_the_mock() {
    every_request_to("/v1/responses", Engine::Scripted);
}

#[cfg(feature = "mock")]
#[test]
fn llama_completions_of_the_mock() {
    every_request_to("/completion", Engine::Scripted);
}

#[cfg(feature = "mock")]
#[test]
fn scripts_of_the_mock() {
    hold("scripts", text::texts(script::EXAMPLES), script::property);
}
