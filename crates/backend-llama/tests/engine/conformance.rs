//! The suite of the contract, run on the real engine.

use backend::conformance::Subject;
use backend::{Backend, LoadedModel};

use crate::support;

struct Llama;

impl Subject for Llama {
    async fn load(&self, lanes: u32) -> LoadedModel {
        let mut spec = support::spec(support::fast());
        spec.lanes = lanes;
        support::backend().load(spec, support::silent()).await.expect("the demo model loads")
    }

    fn lanes_max(&self) -> u32 {
        1
    }
}

fn subject() -> Llama {
    Llama
}

backend::conformance_tests!(subject);
