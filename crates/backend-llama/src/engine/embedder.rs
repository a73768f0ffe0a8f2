//! What texts mean, as vectors, one text after another; or how well documents answer a query, as numbers.
//!
//! A context of its own, made when the first text comes: one that gives vectors gives a row of logits for every token
//! too, which nobody wants for answers.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::PoisonError;

use backend::{Embedding, EncodedPrompt, GenerateError, Prompt};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::oneshot;

use super::job::EmbedJob;
use super::reasons;
use super::session::Shared;
use crate::validate;

/// Tokens of a text at most where all of them are pooled and the model looks back only. Each costs a row of logits.
const POOLED_TOKENS_MAX: u32 = 2048;

/// How a model makes one vector, or a score, of the vectors of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) kind: LlamaPoolingType,
    /// Whether a text has to be computed at once, as where a token sees those behind it too.
    pub(crate) at_once: bool,
}

impl Pooling {
    /// Whether it makes scores.
    pub(crate) fn ranks(self) -> bool {
        self.kind == LlamaPoolingType::Rank
    }

    /// Whether the last token speaks for all, so that those before may have been computed earlier.
    fn is_of_the_last(self) -> bool {
        !self.at_once && matches!(self.kind, LlamaPoolingType::Last | LlamaPoolingType::Rank)
    }

    /// Tokens that are computed at once at most.
    fn step(self, context_len: u32, step_tokens: u32) -> u32 {
        if self.at_once {
            context_len
        } else if self.is_of_the_last() {
            step_tokens.min(context_len)
        } else {
            context_len.min(POOLED_TOKENS_MAX)
        }
    }
}

/// Texts of one lane that are to become vectors.
pub(super) struct Embeds {
    job: Box<EmbedJob>,
    left: VecDeque<EncodedPrompt>,
    done: Vec<Embedding>,
    _working: oneshot::Sender<()>,
}

impl Embeds {
    pub(super) fn new(mut job: Box<EmbedJob>, working: oneshot::Sender<()>) -> Self {
        let left = std::mem::take(&mut job.inputs).into();
        Self { job, left, done: Vec::new(), _working: working }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.cancelled.is_set()
    }

    pub(super) fn next(&mut self) -> Option<EncodedPrompt> {
        self.left.pop_front()
    }

    pub(super) fn push(&mut self, embedding: Embedding) {
        self.done.push(embedding);
    }

    /// Tells the end. Whoever asked may have left, which is its right.
    pub(super) fn end(self, error: Option<GenerateError>) {
        drop(self.job.reply.send(error.map_or(Ok(self.done), Err)));
    }
}

/// The context that makes vectors.
pub(super) struct Embedder<'model> {
    shared: &'model Shared,
    open: Option<(LlamaContext<'model>, LlamaBatch<'static>)>,
}

/// Why there is no vector.
pub(super) enum NoVector {
    /// The text cannot have one.
    Text(String),
    /// The context is in an unknown state.
    Broken(String),
}

impl<'model> Embedder<'model> {
    pub(super) fn new(shared: &'model Shared) -> Self {
        Self { shared, open: None }
    }

    /// Gives the context up; the next text makes a new one.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Makes the vector of a text, at length 1, or the score of a pair.
    pub(super) fn embed(&mut self, input: &EncodedPrompt) -> Result<Embedding, NoVector> {
        let Some(pooling) = self.shared.limits.pooling else {
            return Err(NoVector::Text("this model computes no embeddings".to_string()));
        };
        if pooling.ranks() != matches!(input.prompt, Prompt::Pair(_)) {
            let does = if pooling.ranks() { "ranks documents and embeds no texts" } else { "ranks no documents" };
            return Err(NoVector::Text(format!("this model {does}")));
        }
        let limits = self.shared.limits;
        let step = pooling.step(limits.context_len, limits.step_tokens) as usize;
        let tokens = tokens(&self.shared.model, input).map_err(NoVector::Text)?;
        let most = if pooling.is_of_the_last() { limits.context_len as usize } else { step };
        if tokens.len() > most {
            let reason = format!("the text has {} tokens and the model takes {most} at once", tokens.len());
            return Err(NoVector::Text(reason));
        }
        let (context, batch) = self.opened(pooling, step).map_err(NoVector::Broken)?;
        let broken = |reason: &str| NoVector::Broken(reason.to_string());
        if !context.clear_kv_cache_seq(None, None, None).is_ok_and(|complete| complete) {
            return Err(broken("the cache could not be emptied"));
        }
        for (n, part) in tokens.chunks(step).enumerate() {
            batch.clear();
            for (i, &token) in part.iter().enumerate() {
                let position = i32::try_from(n * step + i).expect("the context bounds every position");
                batch.add(token, position, &[0], true).expect("the batch holds a whole step");
            }
            let (decoded, reasons) = reasons::collect(|| context.decode(batch));
            decoded.map_err(|error| NoVector::Broken(reasons.or(&error)))?;
        }
        let pooled = context.embeddings_seq_ith(0).map_err(|error| NoVector::Broken(error.to_string()))?;
        // Where there are several numbers, such as the chances of yes and no, the first is that of the document.
        let values = if pooling.ranks() { score(pooled) } else { normalised(pooled) };
        let values = values.ok_or_else(|| broken("the model computed no numbers"))?;
        Ok(Embedding { values, tokens: u32::try_from(tokens.len()).expect("the context bounds every count") })
    }

    fn opened(
        &mut self,
        pooling: Pooling,
        step: usize,
    ) -> Result<&mut (LlamaContext<'model>, LlamaBatch<'static>), String> {
        if self.open.is_none() {
            let Shared { model, runtime, limits, opening, .. } = self.shared;
            let step_u32 = u32::try_from(step).map_err(|error| error.to_string())?;
            let params = LlamaContextParams::default()
                .with_n_ctx(NonZeroU32::new(limits.context_len))
                .with_n_batch(step_u32)
                .with_n_ubatch(step_u32)
                .with_n_seq_max(1)
                .with_n_threads(limits.threads)
                .with_n_threads_batch(limits.threads)
                .with_embeddings(true)
                .with_pooling_type(pooling.kind)
                .with_no_perf(true);
            let making = opening.lock().unwrap_or_else(PoisonError::into_inner);
            let (context, reasons) = reasons::collect(|| model.new_context(runtime, params));
            drop(making);
            let context = context.map_err(|error| reasons.or(&error))?;
            if context.n_ubatch() < step_u32 {
                return Err("llama.cpp made a smaller context than asked for".to_string());
            }
            self.open = Some((context, LlamaBatch::new(step, 1)));
        }
        Ok(self.open.as_mut().expect("it was made a moment ago"))
    }
}

/// The tokens of a text, with what the model wants at its end. A prompt has no end, so its encoder does not write it.
fn tokens(model: &LlamaModel, input: &EncodedPrompt) -> Result<Vec<LlamaToken>, String> {
    let vocab = model.vocab();
    let n_vocab = u32::try_from(model.n_vocab()).unwrap_or(0);
    validate::tokens(&input.tokens, n_vocab)?;
    let token = |&id: &u32| LlamaToken::new(i32::try_from(id).expect("it was checked against the vocabulary"));
    let mut tokens: Vec<LlamaToken> = input.tokens.iter().map(token).collect();
    if matches!(input.prompt, Prompt::Pair(_)) {
        return Ok(tokens);
    }
    let end = if vocab.should_add_sep() {
        Some(vocab.sep())
    } else if vocab.should_add_eos() {
        Some(vocab.eos())
    } else {
        None
    };
    let end = end.filter(|end| (0..vocab.n_tokens()).contains(&end.0) && tokens.last() != Some(end));
    tokens.extend(end);
    Ok(tokens)
}

/// The score, or `None` where it is no number.
fn score(pooled: &[f32]) -> Option<Vec<f32>> {
    pooled.first().filter(|score| score.is_finite()).map(|&score| vec![score])
}

/// The vector at length 1, or `None` where it holds what is no number. A vector of zeros has no direction and stays.
fn normalised(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 1.0 };
    #[expect(clippy::cast_possible_truncation, reason = "a share of the length fits where the number itself did")]
    let scaled: Vec<f32> = vector.iter().map(|&x| (f64::from(x) * scale) as f32).collect();
    length.is_finite().then_some(scaled)
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn vectors_come_out_at_length_one() {
        assert_eq!(normalised(&[3.0, -4.0]), Some(vec![0.6, -0.8]));
        assert_eq!(normalised(&[0.0, 0.0]), Some(vec![0.0, 0.0]));
        // Their squares would not fit.
        let huge = normalised(&[3e30, 4e30]).unwrap();
        assert!((huge[0] - 0.6).abs() < 1e-6 && (huge[1] - 0.8).abs() < 1e-6, "{huge:?}");
        assert_eq!(normalised(&[1.0, f32::NAN]), None);
        assert_eq!(normalised(&[f32::INFINITY]), None);
    }
}
