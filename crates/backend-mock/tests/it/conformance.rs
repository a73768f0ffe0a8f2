//! The suite that every backend passes, over scripts that bring out different corners of the mock.

use std::sync::Arc;

use backend::conformance::Subject;
use backend::{Backend, LoadedModel};
use backend_mock::{MockBackend, MockConfig, ModelScript};

use crate::kit::{ms, slow, spec};

struct Mock {
    script: ModelScript,
    lanes_max: u32,
}

impl Subject for Mock {
    async fn load(&self, lanes: u32) -> LoadedModel {
        let mock = MockBackend::new(MockConfig::default().with_model("fast", self.script.clone()));
        mock.load(spec(lanes), Arc::new(|_| {})).await.unwrap()
    }

    fn lanes_max(&self) -> u32 {
        self.lanes_max
    }
}

/// No waiting at all: the engine is as far ahead of its reader as it may be.
mod one_lane_without_time {
    use super::{Mock, ModelScript};

    fn mock() -> Mock {
        Mock { script: ModelScript::default(), lanes_max: 1 }
    }
    backend::conformance_tests!(mock);
}

mod two_lanes_without_time {
    use super::{Mock, ModelScript};

    fn mock() -> Mock {
        Mock { script: ModelScript::default(), lanes_max: 2 }
    }
    backend::conformance_tests!(mock, flavor = "multi_thread", worker_threads = 2);
}

/// The engine waits for time, and goes on for long after it was asked to stop.
mod one_lane_in_virtual_time {
    use super::{Mock, slow};

    fn mock() -> Mock {
        Mock { script: slow(), lanes_max: 1 }
    }
    backend::conformance_tests!(mock, start_paused = true);
}

/// Several bytes in a token, a small context and uneven times.
mod two_lanes_in_virtual_time {
    use super::{Mock, ModelScript, ms, slow};

    fn mock() -> Mock {
        let script = ModelScript {
            bytes_per_token: 3,
            context_len: 256,
            prefill_chunk: 7,
            load_time: ms(333),
            time_per_token: ms(7) / 3,
            ..slow()
        };
        Mock { script, lanes_max: 2 }
    }
    backend::conformance_tests!(mock, start_paused = true);
}
