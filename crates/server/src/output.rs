//! Standard output and standard error: written without waiting for ever until somebody reads them.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the end of the program waits for what is still to be written. A pipe that nobody reads is full at 64 KiB.
pub(crate) const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Writes to standard output. Blocks until it is read; that it is closed is no error.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes the last words to standard error. They are lost where it is closed, or not read in time.
pub(crate) fn complain(message: &str) {
    let line = format!("edison: {message}\n");
    // `eprintln!` panics when standard error is closed, and the exit code would be that of a panic.
    within(LAST_WORDS_MAX, move || {
        let _closed = io::stderr().write_all(line.as_bytes());
    });
}

/// Does blocking work on a thread of its own, and goes on without it after `limit`.
pub(crate) fn within(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::Builder::new().name("last-words".to_owned()).spawn(move || {
        work();
        // Nobody listens after the limit.
        let _late = done.send(());
    });
    if thread.is_ok() {
        // A work that panics drops its end, which ends the wait as well.
        let _late = is_done.recv_timeout(limit);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::within;

    #[test]
    fn work_that_blocks_is_left_behind() {
        let (release, released) = mpsc::channel::<()>();
        within(Duration::from_millis(1), move || _ = released.recv());
        drop(release);
    }
}
