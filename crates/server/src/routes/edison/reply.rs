//! The answer of a turn, as EDISON's clients read it.

use http::HeaderMap;
use serde_json::{Value, json};
use serving::{Completed, Started, Tier};

use super::turn::Said;
use crate::answer::whole_headers;
use crate::edison::router::Route;
use crate::wire::llama::LlamaTimings;

/// What a turn came to.
pub(super) struct Answer<'a> {
    pub(super) routed: Route,
    /// The model that the person chose.
    pub(super) selected: Option<&'a str>,
    pub(super) said: &'a Said,
    /// The call that planned the work, which came before.
    pub(super) before: Option<&'a Completed>,
    pub(super) steps: Vec<String>,
    /// Why no model saw the pictures.
    pub(super) blind: Option<String>,
    /// Pieces of context that were used.
    pub(super) n_chunks: usize,
}

/// The same, written.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) answer: Value,
    /// What an answer in one piece says of itself besides.
    pub(super) headers: HeaderMap,
}

impl Answer<'_> {
    /// Writes it. `tiers` says which model each tier means.
    pub(super) fn told(&self, tiers: &[(Tier, String)]) -> Done {
        let Self { routed, selected, said, before, steps, blind, n_chunks } = self;
        let text = said.text.trim();
        let response = blind.as_ref().map_or_else(|| text.to_owned(), |why| format!("[{why}]\n\n{text}"));
        let all = before.map_or_else(|| said.completed.clone(), |before| together(before, &said.completed));
        let started = Started { waited: all.timings.waited, loading: all.timings.loading, ..said.started.clone() };
        let answer = json!({
            "response": response,
            "mode_used": routed.mode.as_str(),
            "model_used": selected.unwrap_or_else(|| tier_of(tiers, routed.tier, &said.started.model)),
            "work_steps": (!steps.is_empty()).then_some(steps),
            "context_used": (*n_chunks > 0).then_some(n_chunks),
            "search_results_count": null,
            "turns_dropped": said.turns_dropped,
            "vision_error": blind,
            "timings": LlamaTimings::new(&all),
        });
        Done { answer, headers: whole_headers(&started, &all) }
    }
}

/// The tier that really answered, the one that was asked where it is among those that mean the model.
fn tier_of<'a>(tiers: &[(Tier, String)], asked: Tier, model: &'a str) -> &'a str {
    let mut means = tiers.iter().filter(|(_, id)| id == model).map(|(tier, _)| *tier);
    let first = means.clone().next();
    means.find(|tier| *tier == asked).or(first).map_or(model, |tier| tier.as_str())
}

/// Two calls, one after the other, as if they were one: the second, with the times and tokens of both.
fn together(first: &Completed, second: &Completed) -> Completed {
    let mut both = second.clone();
    let (timings, usage) = (&mut both.timings, &mut both.finish.usage);
    timings.waited += first.timings.waited;
    timings.loading += first.timings.loading;
    timings.prefill += first.timings.prefill;
    timings.decode += first.timings.decode;
    usage.prompt_tokens += first.finish.usage.prompt_tokens;
    usage.cached_tokens += first.finish.usage.cached_tokens;
    usage.completion_tokens += first.finish.usage.completion_tokens;
    usage.drafted_tokens += first.finish.usage.drafted_tokens;
    usage.accepted_tokens += first.finish.usage.accepted_tokens;
    both
}
