//! The suite of the contract, run on the real engine: one lane alone, lanes that are computed together, lanes with a
//! context each, and such lanes with drafts.

use backend::conformance::Subject;
use backend::{Backend, LoadedModel};

use crate::support;

struct Llama {
    lanes_max: u32,
    /// Whether lanes are replicas.
    apart: bool,
    draft_tokens: u32,
}

impl Subject for Llama {
    async fn load(&self, lanes: u32) -> LoadedModel {
        let mut spec = support::spec(support::fast());
        spec.tuning.draft_tokens = self.draft_tokens;
        if self.apart {
            spec.tuning.replicas = lanes;
        } else {
            spec.lanes = lanes;
        }
        support::backend().load(spec, support::silent()).await.expect("the demo model loads")
    }

    fn chooses(&self) -> bool {
        true
    }

    fn lanes_max(&self) -> u32 {
        self.lanes_max
    }
}

mod alone {
    use super::Llama;

    fn subject() -> Llama {
        Llama { lanes_max: 1, apart: false, draft_tokens: 0 }
    }

    backend::conformance_tests!(subject);
}

mod together {
    use super::Llama;

    fn subject() -> Llama {
        Llama { lanes_max: 4, apart: false, draft_tokens: 0 }
    }

    backend::conformance_tests!(subject);
}

mod replicas {
    use super::Llama;

    fn subject() -> Llama {
        Llama { lanes_max: 2, apart: true, draft_tokens: 0 }
    }

    backend::conformance_tests!(subject);
}

mod drafting {
    use super::Llama;

    fn subject() -> Llama {
        Llama { lanes_max: 2, apart: true, draft_tokens: 7 }
    }

    backend::conformance_tests!(subject);
}
