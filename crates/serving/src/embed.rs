//! Computing embeddings under a lease: the same life as a generation's, without pieces on the way.

use backend::{EncodedPrompt, GenerateError};

use crate::canary;
use crate::run::{Ending, LaneLease, Run};

impl Run {
    /// Runs the engine, and tells how that ended. `Err` means that the lane must be rebuilt.
    pub(crate) async fn embed(&mut self, lease: &mut LaneLease, inputs: Vec<EncodedPrompt>) -> Result<Ending, String> {
        let n_inputs = inputs.len();
        lease.announce(&self.live.request_id);
        // Whichever arm ends it drops the future, which asks the engine to stop.
        let embedded = tokio::select! {
            biased;
            () = self.reply.tokens.closed(), if !canary::works_on() => return Ok(Ending::Left),
            () = self.shutdown.cancelled() => return Ok(self.shut_down()),
            embedded = lease.embed(inputs) => embedded,
        };
        match embedded {
            Ok(embeddings) if embeddings.len() == n_inputs => {
                self.start();
                Ok(Ending::Embedded(embeddings))
            }
            Ok(embeddings) => Err(format!("the engine computed {} embeddings of {n_inputs} inputs", embeddings.len())),
            Err(GenerateError::LaneBroken { reason }) => Err(reason),
            Err(error) => Ok(self.failed(error.to_string())),
        }
    }
}
