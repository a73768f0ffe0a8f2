//! The least that generates a text with llama.cpp: no channel, no text, no way to stop.

use std::num::NonZeroU32;
use std::time::Duration;

use backend::TokenId;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use crate::Load;
use crate::clock::Start;

/// A context, and the batch that it is fed with.
pub(crate) struct Bare<'model> {
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    step: usize,
}

impl<'model> Bare<'model> {
    /// One that computes prompts in steps of `step` tokens.
    pub(crate) fn new(model: &'model LlamaModel, runtime: &Runtime, load: &Load, step: u32) -> Result<Self, String> {
        let threads = i32::try_from(load.threads).map_err(|error| error.to_string())?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(load.context))
            .with_n_batch(step)
            .with_n_ubatch(step)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = model.new_context(runtime, params).map_err(|error| error.to_string())?;
        let step = step as usize;
        Ok(Self { context, batch: LlamaBatch::new(step, 1), step })
    }

    /// Computes a prompt and a greedy answer; the time of each.
    pub(crate) fn run(&mut self, prompt: &[TokenId], n_answer: u32) -> Result<(Duration, Duration), String> {
        let token = |&id: &TokenId| LlamaToken::new(i32::try_from(id).expect("a small number"));
        let prompt: Vec<LlamaToken> = prompt.iter().map(token).collect();
        let mut sampler = LlamaSampler::greedy();
        let start = Start::now();
        let _emptied = self.context.clear_kv_cache_seq(None, None, None);
        let mut position = 0;
        for step in prompt.chunks(self.step) {
            self.decode(step, &mut position)?;
        }
        self.context.synchronize();
        let prompt_time = start.elapsed();
        for n in 1..=n_answer {
            let token = sampler.sample(&self.context, self.batch.n_tokens() - 1);
            if n < n_answer {
                self.decode(&[token], &mut position)?;
            }
        }
        Ok((prompt_time, start.elapsed().saturating_sub(prompt_time)))
    }

    fn decode(&mut self, tokens: &[LlamaToken], position: &mut i32) -> Result<(), String> {
        self.batch.clear();
        for (i, &token) in tokens.iter().enumerate() {
            let added = self.batch.add(token, *position, &[0], i + 1 == tokens.len());
            added.map_err(|error| error.to_string())?;
            *position += 1;
        }
        self.context.decode(&mut self.batch).map_err(|error| error.to_string())
    }
}
