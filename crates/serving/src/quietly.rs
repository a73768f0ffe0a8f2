//! Log lines that cannot hurt.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes to the log, whatever the log does.
///
/// A subscriber is foreign code, and it panics when its own output is gone (a closed pipe is enough). A panic between an
/// outcome and its lane would put the lane into quarantine with nobody to repair it, so it ends here.
pub(crate) fn quietly(log: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(log));
}
