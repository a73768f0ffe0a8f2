//! One exclusive way into a loaded model.

use async_trait::async_trait;

use crate::{Embedding, EncodedPrompt, EventStream, GenerateError, GenerateRequest, LaneBroken};

/// One exclusive way into a loaded instance.
///
/// Every method takes `&mut self`: the type system lets one caller in at a time, and the lock that
/// owns the lane decides who that is.
///
/// The life of a lease over it is: [`generate`](Lane::generate), drop the stream,
/// [`quiesce`](Lane::quiesce), and only then give the lane back. A lane given back earlier could be
/// entered while the engine still works for the request before.
#[async_trait]
pub trait Lane: Send + 'static {
    /// Starts a generation.
    ///
    /// Nothing is left of earlier requests: the same request gives the same text, whatever ran
    /// before on this lane.
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_>;

    /// Tells for which request the next [`embed`](Self::embed) is, for engines that write that down; a generation brings its
    /// request's id along. By default nobody listens.
    fn announce(&mut self, request_id: &str) {
        let _ = request_id;
    }

    /// Computes what a text means, as a vector: one for each input, in their order. A model that
    /// [ranks](crate::Capabilities::rerank) takes pairs instead, and gives their scores.
    ///
    /// # Cancel safety
    /// Dropping the future asks the engine to stop, as dropping the stream of [`generate`](Lane::generate) does.
    ///
    /// # Errors
    /// See [`GenerateError`]. A lane without the [capability](crate::Capabilities::embeddings) for what it is given always
    /// fails, as this default does.
    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        drop(inputs);
        Err(GenerateError::Failed { reason: "this model computes no embeddings".into() })
    }

    /// Waits until the engine has stopped touching this lane.
    ///
    /// Returns at once when nothing runs.
    ///
    /// # Cancel safety
    /// May be dropped and called again; the engine stops all the same.
    async fn quiesce(&mut self);

    /// Whether the engine broke for a request that did not hear of it. To be asked after [`quiesce`](Lane::quiesce): a
    /// stream that is dropped early may leave a [`GenerateError::LaneBroken`](crate::GenerateError) unread. A lane that
    /// says so needs a [`reset`](Lane::reset) before its next use.
    ///
    /// By default `false`: for engines that rebuild by themselves what breaks unheard.
    fn is_broken(&self) -> bool {
        false
    }

    /// Makes the lane usable again after [`GenerateError::LaneBroken`](crate::GenerateError) or a panic.
    ///
    /// # Errors
    /// [`LaneBroken`] when the engine cannot be brought back. The lane must not be used again.
    async fn reset(&mut self) -> Result<(), LaneBroken>;
}
