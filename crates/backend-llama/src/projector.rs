//! The projector of a model that sees: from a picture to tokens, by llama.cpp's mtmd.
//!
//! Only pixels reach it. mtmd would also read files, and hands those that it does not know to programs that it finds on the
//! machine; so pictures are decoded elsewhere, within limits.

use std::ffi::CString;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use backend::{Image, LoadError};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::mtmd::{
    MtmdBitmap, MtmdContext, MtmdContextParams, MtmdInputChunks, MtmdInputText, mtmd_default_marker,
};

use crate::engine::reasons;
use crate::validate;

/// The eyes of one model. Prompts are measured with it beside the lanes, and pictures computed under a lease.
pub(crate) struct Projector {
    /// To compute a picture changes it; to measure one does not. Whoever measures waits for one picture at most.
    context: RwLock<MtmdContext>,
    /// The context points into it and does not say so, and must go first: fields are dropped in this order.
    _model: Arc<LlamaModel>,
}

impl Projector {
    /// Loads the projector in a file for a loaded model.
    ///
    /// # Errors
    /// [`LoadError::Unusable`] for files that are no projector, are one for another model, or one that does not see.
    pub(crate) fn load(path: &Path, model: &Arc<LlamaModel>, threads: i32) -> Result<Self, LoadError> {
        let (name, _) = validate::model_file(path)?;
        let params = MtmdContextParams {
            use_gpu: false,
            print_timings: false,
            n_threads: threads,
            media_marker: CString::new(mtmd_default_marker()).expect("the marker is a C string"),
            ..MtmdContextParams::default()
        };
        let (context, reasons) = reasons::collect(|| MtmdContext::init_from_file(name, model, &params));
        let unusable = |reason: String| LoadError::Unusable { model: name.to_string(), reason };
        let context = context.map_err(|error| unusable(reasons.or(&error)))?;
        if !context.support_vision() {
            return Err(unusable("it is a projector that does not see".to_string()));
        }
        // All tokens of a picture would have to fit one step, and llama.cpp ends the process where they do not.
        if context.decode_use_non_causal() {
            let reason = "its model looks at all parts of a picture at once, which this engine cannot do".to_string();
            return Err(unusable(reason));
        }
        Ok(Self { context: RwLock::new(context), _model: Arc::clone(model) })
    }

    /// How many tokens a picture takes, at least one.
    ///
    /// # Errors
    /// What the projector objects to.
    pub(crate) fn n_tokens(&self, image: &Image) -> Result<usize, String> {
        let context = self.context.read().unwrap_or_else(PoisonError::into_inner);
        chunks(&context, image).map(|chunks| chunks.total_tokens())
    }

    /// Computes a picture of this many tokens and puts it into the cache of a lane. Returns the position after it, which may be nearer than
    /// the number of its tokens says. Not to be interrupted.
    ///
    /// # Errors
    /// What went wrong. What the context holds of the picture is then unknown.
    pub(crate) fn compute(
        &self,
        image: &Image,
        n_tokens: usize,
        session: &mut LlamaContext<'_>,
        lane: i32,
        position: i32,
        batch_len: i32,
    ) -> Result<i32, String> {
        let mut context = self.context.write().unwrap_or_else(PoisonError::into_inner);
        let chunks = chunks(&context, image)?;
        if chunks.total_tokens() != n_tokens {
            return Err(format!("the picture takes {} tokens, and {n_tokens} were kept for it", chunks.total_tokens()));
        }
        let (computed, reasons) =
            reasons::collect(|| chunks.eval_chunks(&mut context, session, position, lane, batch_len, false));
        computed.map_err(|error| format!("picture: {}", reasons.or(&error)))
    }
}

/// The parts of a prompt that is one picture.
fn chunks(context: &MtmdContext, image: &Image) -> Result<MtmdInputChunks, String> {
    let bitmap = MtmdBitmap::from_image_data(image.width(), image.height(), image.rgb());
    let bitmap = bitmap.map_err(|error| error.to_string())?;
    let text = MtmdInputText { text: mtmd_default_marker().to_string(), add_special: false, parse_special: true };
    let chunks = context.tokenize(text, &[&bitmap]).map_err(|error| error.to_string())?;
    if chunks.total_tokens() == 0 {
        return Err("the picture has no token".to_string());
    }
    Ok(chunks)
}
