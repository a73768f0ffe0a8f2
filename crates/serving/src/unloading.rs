//! Letting a model go on request, and bringing it back.

use crate::{Refusal, Service};

impl Service {
    /// Lets a model go: takes its lanes as they come home, and frees its engine. Requests that hold a lane finish; who waits
    /// goes on waiting, and brings the model back at once, so that an unload with a queue is a reload. Whoever asks later
    /// brings it back as well. Resolves when the engine was dropped, with the model's id.
    ///
    /// A model that is being loaded is let go after that, and after those who waited for it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the wish as it is. Called again, it joins what is under way.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`], [`Refusal::ModelUnavailable`] for a model that has failed for good,
    /// [`Refusal::ShuttingDown`].
    pub async fn unload(&self, model: &str) -> Result<String, Refusal> {
        let instance = self.inner.resolve(model)?;
        let id = instance.id().to_string();
        tokio::select! {
            biased;
            () = self.inner.end_loads.cancelled() => Err(Refusal::ShuttingDown),
            gone = instance.unload() => gone.map(|()| id),
        }
    }

    /// Brings back a model that was let go, and waits until it is loaded. Resolves with the model's id. One that could not be
    /// loaded again is tried at once.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the wish as it is.
    ///
    /// # Errors
    /// As [`unload`](Self::unload), and [`Refusal::ModelUnavailable`] where this load fails as well.
    pub async fn load(&self, model: &str) -> Result<String, Refusal> {
        let instance = self.inner.resolve(model)?;
        instance.retry_now();
        let id = instance.id().to_string();
        tokio::select! {
            biased;
            () = self.inner.end_loads.cancelled() => Err(Refusal::ShuttingDown),
            loaded = instance.loaded() => loaded.map(|_| id),
        }
    }
}
