//! What things are called in answers and headers: one word each.

use serving::{Class, LoadState};

/// The class's name in answers and headers.
pub(crate) fn class_name(class: Class) -> &'static str {
    match class {
        Class::Interactive => "interactive",
        Class::Normal => "normal",
        Class::Background => "background",
    }
}

/// The state's name in answers.
pub(crate) fn state_name(state: &LoadState) -> &'static str {
    match state {
        LoadState::Loading { .. } => "loading",
        LoadState::Ready => "ready",
        LoadState::Unloaded => "unloaded",
        LoadState::Failed { .. } => "failed",
    }
}
