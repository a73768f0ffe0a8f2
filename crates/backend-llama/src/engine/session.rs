//! A model's context, with what is needed to make it anew.

use std::num::NonZeroU32;
use std::sync::Arc;

use backend::LoadError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::reasons;
use crate::answering::Answerer;

/// Prompt tokens decoded in one step.
///
/// A step cannot be interrupted, so a cancelled request may keep the engine this long; smaller steps cost speed from 32
/// tokens down. The context also reserves logits for a whole step: 64 rows of a 128k vocabulary are 31 MiB.
pub(crate) const STEP_TOKENS: u32 = 64;

/// What every context of an instance is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) context_len: u32,
    pub(crate) threads: i32,
}

/// A context of a model, unless it broke.
pub(crate) struct Session<'model> {
    model: &'model LlamaModel,
    runtime: &'static Runtime,
    limits: Limits,
    answerer: Arc<Answerer>,
    /// `None` from a failure to the reset that follows it.
    context: Option<LlamaContext<'model>>,
    /// Holds [`STEP_TOKENS`] tokens of one sequence; llama.cpp checks neither bound.
    batch: LlamaBatch<'static>,
}

/// The parts of a working session.
pub(super) struct Parts<'session, 'model> {
    pub(super) answerer: &'session Arc<Answerer>,
    pub(super) context: &'session mut LlamaContext<'model>,
    pub(super) batch: &'session mut LlamaBatch<'static>,
}

impl<'model> Session<'model> {
    /// Makes the first context and tries it with one token. The name is for messages.
    pub(super) fn open(
        model: &'model LlamaModel,
        runtime: &'static Runtime,
        limits: Limits,
        answerer: Arc<Answerer>,
        name: &str,
    ) -> Result<Self, LoadError> {
        let batch = LlamaBatch::new(STEP_TOKENS as usize, 1);
        let mut session = Self { model, runtime, limits, answerer, context: None, batch };
        session.reopen()?;
        session.probe().map_err(|reason| LoadError::Unusable { model: name.to_string(), reason })?;
        Ok(session)
    }

    /// Replaces the context by a new one.
    pub(super) fn reopen(&mut self) -> Result<(), LoadError> {
        // The old one first: both together may be more than the memory holds.
        self.close();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(self.limits.context_len))
            .with_n_batch(STEP_TOKENS)
            .with_n_ubatch(STEP_TOKENS)
            .with_n_seq_max(1)
            .with_n_threads(self.limits.threads)
            .with_n_threads_batch(self.limits.threads)
            .with_no_perf(true);
        let (context, reasons) = reasons::collect(|| self.model.new_context(self.runtime, params));
        let context = context.map_err(|error| LoadError::Failed { reason: reasons.or(&error) })?;
        if context.n_ctx() < self.limits.context_len || context.n_batch() < STEP_TOKENS {
            return Err(LoadError::Failed { reason: "llama.cpp made a smaller context than asked for".to_string() });
        }
        self.context = Some(context);
        Ok(())
    }

    /// Gives the context up.
    pub(super) fn close(&mut self) {
        self.context = None;
    }

    /// The parts, or `None` while the session waits for a reset.
    pub(super) fn parts(&mut self) -> Option<Parts<'_, 'model>> {
        let (answerer, batch) = (&self.answerer, &mut self.batch);
        self.context.as_mut().map(|context| Parts { answerer, context, batch })
    }

    /// Decodes one token and looks at the logits, so that a model that computes none is found out before it is used.
    fn probe(&mut self) -> Result<(), String> {
        let Some(Parts { context, batch, .. }) = self.parts() else {
            return Ok(());
        };
        batch.clear();
        batch.add(LlamaToken::new(0), 0, &[0], true).map_err(|error| error.to_string())?;
        let (decoded, reasons) = reasons::collect(|| context.decode(batch));
        decoded.map_err(|error| reasons.or(&error))?;
        match context.get_logits_ith(0).iter().any(|logit| logit.is_nan()) {
            false => Ok(()),
            true => Err("it does not compute numbers, so its file is damaged".to_string()),
        }
    }
}
