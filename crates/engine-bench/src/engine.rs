//! The engine of this repository, driven by hand.

use std::sync::Arc;
use std::time::Duration;

use backend::{
    Backend, EncodedPrompt, Event, GenerateOptions, GenerateRequest, Lane, ModelSource, ModelSpec, Prompt, Sampling,
    TokenId,
};
use backend_llama::LlamaBackend;
use futures_util::StreamExt;

use crate::Load;
use crate::clock::Start;

/// What a generation took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// To the end of the prompt.
    pub(crate) prompt: Duration,
    /// To the first token.
    pub(crate) first: Duration,
    /// From the end of the prompt to the end.
    pub(crate) answer: Duration,
    pub(crate) n_cached: u32,
}

/// Loads a model, with a word about how.
pub(crate) async fn lanes(load: &Load, change: impl FnOnce(&mut ModelSpec)) -> Result<Vec<Box<dyn Lane>>, String> {
    let backend = LlamaBackend::new().map_err(|error| error.to_string())?;
    let mut spec = ModelSpec::new("bench", ModelSource::File(load.file.clone()));
    spec.threads = load.threads;
    spec.context_len = load.context;
    change(&mut spec);
    let model = backend.load(spec, Arc::new(|_| {})).await.map_err(|error| error.to_string())?;
    Ok(model.lanes)
}

/// A prompt of this many tokens, each prompt another one.
pub(crate) fn prompt(n: usize, number: usize) -> Vec<TokenId> {
    (0..n).map(|i| TokenId::try_from(33 + (i * 7 + number * 13) % 90).expect("below 123")).collect()
}

/// A greedy request that goes on to its bound.
pub(crate) fn request(tokens: Vec<TokenId>, max_tokens: u32, cache_prompt: bool) -> GenerateRequest {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let options = GenerateOptions { sampling, ignore_end: true, cache_prompt, ..GenerateOptions::default() };
    GenerateRequest { prompt: EncodedPrompt { prompt: Prompt::Text(String::new()), tokens }, options, max_tokens }
}

/// Runs a request to its end.
pub(crate) async fn run(lane: &mut dyn Lane, request: GenerateRequest) -> Result<Took, String> {
    let start = Start::now();
    let (mut prompt, mut first) = (None, None);
    let mut stream = lane.generate(request);
    let mut took = None;
    while let Some(event) = stream.next().await {
        match event.map_err(|error| error.to_string())? {
            Event::Prompt { processed, total } if processed == total => prompt = Some(start.elapsed()),
            Event::Token(_) => _ = first.get_or_insert_with(|| start.elapsed()),
            Event::Finish(finish) => {
                let prompt = prompt.unwrap_or_default();
                let answer = start.elapsed().saturating_sub(prompt);
                let n_cached = finish.usage.cached_tokens;
                took = Some(Took { prompt, first: first.unwrap_or_default(), answer, n_cached });
            }
            _ => {}
        }
    }
    drop(stream);
    lane.quiesce().await;
    took.ok_or_else(|| "the engine ended without a finish".to_owned())
}
