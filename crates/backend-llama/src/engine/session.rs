//! A context of a model, with what is needed to make it anew.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use backend::{Adapter, Image, LoadError, Scale};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::{DecodeError, LlamaStateSeqFlags, SeqState};

use super::cache::Reuse;
use super::embedder::Pooling;
use super::reasons;
use super::saved::SavedCounts;
use crate::adapter;
use crate::answering::Answerer;
use crate::projector::Projector;

/// What every context of an instance is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Tokens per lane.
    pub(crate) context_len: u32,
    pub(crate) threads: i32,
    pub(crate) lanes: u32,
    /// Prompt tokens computed in one step. The context reserves logits for a whole step: 64 rows of a 128k vocabulary are
    /// 31 MiB.
    pub(crate) step_tokens: u32,
    /// Tokens of an answer that are guessed and computed along with the next one; only where there is one lane.
    pub(crate) draft_tokens: u32,
    /// Whether some tokens are computed by other weights than others.
    pub(super) is_mixture: bool,
    pub(super) reuse: Reuse,
    /// Bytes that an engine may keep of conversations that made room for others.
    pub(super) saved_bytes_max: usize,
    /// How vectors are made, where they are.
    pub(super) pooling: Option<Pooling>,
    /// Whether it continues texts.
    pub(super) generates: bool,
}

impl Limits {
    /// Tokens of a step at most: those of prompts, and one for each other lane.
    fn batch_len(&self) -> u32 {
        self.step_tokens + self.lanes - 1
    }
}

/// What the contexts of an instance have in common.
pub(super) struct Shared {
    pub(super) model: Arc<LlamaModel>,
    pub(super) runtime: &'static Runtime,
    pub(super) limits: Limits,
    pub(super) answerer: Arc<Answerer>,
    /// There where the model sees. One for all contexts, which take turns.
    projector: Option<Arc<Projector>>,
    /// In the order of the spec. They belong to the model, and go with it.
    adapters: Vec<adapter::Loaded>,
    /// What the engines tell of what they saved.
    pub(super) saved_counts: Arc<SavedCounts>,
    /// Held while a context is made, in which llama.cpp may write to the model.
    pub(super) opening: Mutex<()>,
}

impl Shared {
    pub(super) fn new(
        runtime: &'static Runtime,
        model: Arc<LlamaModel>,
        limits: Limits,
        answerer: Arc<Answerer>,
        projector: Option<Arc<Projector>>,
        adapters: Vec<adapter::Loaded>,
        saved_counts: Arc<SavedCounts>,
    ) -> Self {
        Self { model, runtime, limits, answerer, projector, adapters, saved_counts, opening: Mutex::new(()) }
    }
}

/// Some tokens of one lane, to be computed in a step.
pub(super) struct Part<'a> {
    pub(super) lane: usize,
    /// Where the first of them stands in its lane.
    pub(super) position: usize,
    /// Never none.
    pub(super) tokens: &'a [LlamaToken],
    /// What may follow them; none where nothing is to be chosen.
    pub(super) draft: &'a [LlamaToken],
    /// Whether the next token will be chosen after the last of them.
    pub(super) choose: bool,
}

/// A context of a model, unless it broke.
pub(super) struct Session<'model> {
    shared: &'model Shared,
    /// `None` from a failure to the next [`open`](Self::open).
    context: Option<LlamaContext<'model>>,
    /// The adapter that is at work in the context, whoever computes.
    applied: Option<Adapter>,
    /// Holds [`Limits::batch_len`] tokens of one sequence each; llama.cpp checks neither bound.
    batch: LlamaBatch<'static>,
}

impl<'model> Session<'model> {
    /// Makes the first context and tries it with one token, for a model that continues texts. The name is for messages.
    pub(super) fn new(shared: &'model Shared, name: &str) -> Result<Self, LoadError> {
        let batch = LlamaBatch::new(shared.limits.batch_len() as usize, 1);
        let mut session = Self { shared, context: None, applied: None, batch };
        if !shared.limits.generates {
            return Ok(session);
        }
        session.open()?;
        session.probe().map_err(|reason| LoadError::Unusable { model: name.to_string(), reason })?;
        for number in 0..shared.adapters.len() {
            let adapter = Adapter { number: u32::try_from(number).expect("adapters are few"), scale: Scale::ONE };
            let tried = session.apply(Some(adapter)).and_then(|()| session.probe());
            tried.map_err(|reason| {
                let model = format!("adapter {number} of {name}");
                LoadError::Unusable { model, reason }
            })?;
        }
        Ok(session)
    }

    pub(super) fn shared(&self) -> &'model Shared {
        self.shared
    }

    /// The context, while there is one.
    pub(super) fn context(&self) -> Option<&LlamaContext<'model>> {
        self.context.as_ref()
    }

    /// Makes a new context where there is none, and one is needed.
    pub(super) fn open(&mut self) -> Result<(), LoadError> {
        if self.context.is_some() || !self.shared.limits.generates {
            return Ok(());
        }
        let Shared { model, runtime, limits, opening, .. } = self.shared;
        let len = limits.context_len.saturating_mul(limits.lanes);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(len))
            .with_n_batch(limits.batch_len())
            .with_n_ubatch(limits.batch_len())
            .with_n_seq_max(limits.lanes)
            // Otherwise each lane has a part of the cells for itself, and a batch is computed in pieces of equal length.
            .with_kv_unified(limits.lanes > 1)
            .with_n_threads(limits.threads)
            .with_n_threads_batch(limits.threads)
            .with_no_perf(true);
        let making = opening.lock().unwrap_or_else(PoisonError::into_inner);
        let (context, reasons) = reasons::collect(|| model.new_context(runtime, params));
        drop(making);
        let context = context.map_err(|error| LoadError::Failed { reason: reasons.or(&error) })?;
        if context.n_ctx() < len || context.n_batch() < limits.batch_len() {
            return Err(LoadError::Failed { reason: "llama.cpp made a smaller context than asked for".to_string() });
        }
        self.context = Some(context);
        Ok(())
    }

    /// Gives the context up.
    pub(super) fn close(&mut self) {
        self.context = None;
        self.applied = None;
    }

    /// Puts an adapter to work for whatever is computed next, in place of the one before; or none. A change costs the next
    /// step the planning of its memory, and no change costs nothing.
    ///
    /// # Errors
    /// What went wrong; which one is at work is then unknown.
    pub(super) fn apply(&mut self, adapter: Option<Adapter>) -> Result<(), String> {
        let (Some(context), Some(one)) = (&mut self.context, adapter.or(self.applied)) else { return Ok(()) };
        if self.applied == adapter {
            return Ok(());
        }
        let loaded = self.shared.adapters.get(one.number as usize).ok_or("there is no such adapter")?;
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match adapter {
            Some(adapter) => {
                context.lora_adapter_set(&mut loaded, adapter.scale.get()).map_err(|error| error.to_string())
            }
            // Whichever is given, all are taken off.
            None => context.lora_adapter_remove(&mut loaded).map_err(|error| error.to_string()),
        }?;
        self.applied = adapter;
        Ok(())
    }

    /// Computes a step. For each part, where in the batch the logits of its last token are; those of its draft are behind them.
    ///
    /// # Errors
    /// [`DecodeError::NoKvCacheSlot`] leaves the context as it was; after any other its state is unknown.
    pub(super) fn compute(&mut self, parts: &[Part<'_>], places: &mut Vec<i32>) -> Result<(), DecodeError> {
        let Self { context: Some(context), batch, .. } = self else {
            // Nothing computed is a failed step.
            return Err(DecodeError::Unknown(0));
        };
        batch.clear();
        places.clear();
        for part in parts {
            let last = part.tokens.len() - 1;
            places.push(batch.n_tokens() + int(last));
            for (i, &token) in part.tokens.iter().chain(part.draft).enumerate() {
                let room = batch.add(token, int(part.position + i), &[int(part.lane)], part.choose && i >= last);
                room.expect("the batch holds a whole step");
            }
        }
        context.decode(batch)
    }

    /// Computes a picture that takes this many tokens, from a position of a lane on. Returns the position after it.
    ///
    /// # Errors
    /// What went wrong; the state of the context is unknown.
    pub(super) fn compute_picture(
        &mut self,
        lane: usize,
        position: usize,
        image: &Image,
        n_tokens: usize,
    ) -> Result<usize, String> {
        let (Some(context), Some(projector)) = (&mut self.context, &self.shared.projector) else {
            return Err("there is nothing to see with".to_string());
        };
        let batch_len = int(self.shared.limits.batch_len() as usize);
        let after = projector.compute(image, n_tokens, context, int(lane), int(position), batch_len)?;
        usize::try_from(after).map_err(|_| format!("the picture ended at position {after}"))
    }

    /// Takes everything from a position on out of a lane's part of the cache. `false` where the model cannot.
    ///
    /// The cells are marked free and not overwritten: attention masks them, and clearing gigabytes takes a while.
    pub(super) fn cut(&mut self, lane: usize, len: usize) -> bool {
        let (lane, len) = (u32::try_from(lane).ok(), u32::try_from(len).ok());
        self.context.as_mut().is_none_or(|context| context.clear_kv_cache_seq(lane, len, None).is_ok_and(|done| done))
    }

    /// Bytes of what [`save`](Self::save) would give.
    pub(super) fn state_len(&self, lane: usize) -> usize {
        self.context
            .as_ref()
            .map_or(0, |context| context.state_seq_get_size_ext(int(lane), LlamaStateSeqFlags::empty()))
    }

    /// A copy of all that the cache has of a lane.
    ///
    /// # Errors
    /// What went wrong; the context is as it was.
    pub(super) fn save(&self, lane: usize) -> Result<SeqState, String> {
        let context = self.context.as_ref().ok_or("there is no context")?;
        context.state_seq_get(int(lane), LlamaStateSeqFlags::empty()).map_err(|error| error.to_string())
    }

    /// Puts such a copy in the place of what the cache has of a lane.
    ///
    /// # Errors
    /// What went wrong; the lane's part of the cache is empty then, or to be emptied.
    pub(super) fn restore(&mut self, lane: usize, state: &SeqState) -> Result<(), String> {
        self.open().map_err(|error| error.to_string())?;
        if !self.cut(lane, 0) {
            return Err("the cache could not be emptied".to_string());
        }
        let context = self.context.as_mut().ok_or("there is no context")?;
        context.state_seq_set(state, int(lane)).map_err(|error| error.to_string())
    }

    /// Waits for a GPU that is still at work on a step whose result nobody waited for.
    pub(super) fn synchronize(&self) {
        if let Some(context) = &self.context {
            context.synchronize();
        }
    }

    /// Decodes one token and looks at the logits, so that a model that computes none is found out before it is used.
    fn probe(&mut self) -> Result<(), String> {
        let part = Part { lane: 0, position: 0, tokens: &[LlamaToken::new(0)], draft: &[], choose: true };
        let (computed, reasons) = reasons::collect(|| self.compute(&[part], &mut Vec::new()));
        computed.map_err(|error| reasons.or(&error))?;
        let is_nan = self.context().is_some_and(|context| context.get_logits_ith(0).iter().any(|logit| logit.is_nan()));
        if is_nan || !self.cut(0, 0) {
            return Err("it does not compute numbers, so its file is damaged".to_string());
        }
        Ok(())
    }
}

fn int(n: usize) -> i32 {
    i32::try_from(n).expect("the context bounds every position, and lanes are few")
}
