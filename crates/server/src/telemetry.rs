//! Log lines: where they go, how they look, which there are.
//!
//! A line is put into a bounded queue and written by a thread of its own. Whoever logs never waits: if standard error
//! is a pipe that nobody reads, lines are dropped and counted, and the server goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFormat;
use crate::output::{LAST_WORDS_MAX, within};

/// What is logged when `RUST_LOG` does not say. llama.cpp tells hundreds of lines about every load.
const FILTER: &str = "info,llama-cpp-2=warn";

/// Lines that may wait to be written.
const LINES_MAX: usize = 4096;

/// Starts logging to standard error, above the progress bars if there are any. What is still queued is written when
/// the value is dropped.
///
/// # Errors
/// `RUST_LOG` cannot be understood.
pub(crate) fn start(format: LogFormat, bars: MultiProgress) -> Result<LogQueue, String> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => {
            EnvFilter::try_new(&filter).map_err(|error| format!("RUST_LOG=\"{filter}\" is no filter: {error}"))?
        }
        _ => EnvFilter::new(FILTER),
    };
    let (lines, queue) = queue(move |line| bars.suspend(|| io::stderr().write_all(line)));
    // A second subscriber in one process is a test's; it keeps the first.
    let _already_set = subscriber(format, filter, lines).try_init();
    Ok(queue)
}

fn subscriber(format: LogFormat, filter: EnvFilter, lines: NonBlocking) -> Box<dyn Subscriber + Send + Sync> {
    // What goes wrong while a line is made is not printed: that would block, or panic, in the task that logs.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).log_internal_errors(false);
    match format {
        LogFormat::Text => Box::new(builder.with_ansi(io::stderr().is_terminal()).finish()),
        LogFormat::Json => Box::new(builder.json().finish()),
    }
}

/// Starts the thread that writes lines, and returns what takes them.
fn queue<W>(write: W) -> (NonBlocking, LogQueue)
where
    W: Fn(&[u8]) -> io::Result<()> + Send + 'static,
{
    let lost = Arc::new(OnceLock::new());
    let writer = Lines { write, lost: Arc::clone(&lost), lost_told: 0 };
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).thread_name("log");
    let (lines, guard) = builder.finish(writer);
    let _first = lost.set(lines.error_counter());
    (lines, LogQueue(Some(guard)))
}

/// The writing thread. Dropping it writes what is queued, for a while.
pub(crate) struct LogQueue(Option<WorkerGuard>);

impl Drop for LogQueue {
    fn drop(&mut self) {
        // The guard waits about a second by itself, and prints what it could not do, which can block.
        if let Some(guard) = self.0.take() {
            within(LAST_WORDS_MAX, move || drop(guard));
        }
    }
}

/// What the writing thread writes to.
struct Lines<W> {
    write: W,
    lost: Arc<OnceLock<ErrorCounter>>,
    lost_told: usize,
}

impl<W: Fn(&[u8]) -> io::Result<()>> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written is no reason to stop serving, and there is nowhere to say it.
        let _closed = (self.write)(line);
        let lost = self.lost.get().map_or(0, ErrorCounter::dropped_lines);
        if lost > self.lost_told {
            tracing::warn!(lines = lost - self.lost_told, "log lines were lost: standard error was not read in time");
            self.lost_told = lost;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Standard error has no buffer.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use tracing_subscriber::EnvFilter;

    use super::{LINES_MAX, queue, subscriber};
    use crate::cli::LogFormat;

    /// Method: the writer stands still at the first line, as a full pipe does. Without the queue the first `warn!`
    /// would never come back. Released, it writes what was kept.
    #[test]
    fn nobody_waits_for_a_log_that_is_not_read() {
        let (release, released) = mpsc::channel::<()>();
        let (written, lines_written) = mpsc::channel();
        let (released, written) = (Mutex::new(released), Mutex::new(written));
        let (lines, queue) = queue(move |_| {
            let _dropped = released.lock().expect("no panic").recv();
            written.lock().expect("no panic").send(()).map_err(io::Error::other)
        });
        let lost = lines.error_counter();
        tracing::subscriber::with_default(subscriber(LogFormat::Json, EnvFilter::new("warn"), lines), || {
            for number in 0..LINES_MAX + 10 {
                tracing::warn!(number, "a line");
            }
        });
        assert!(lost.dropped_lines() >= 9, "one is being written, {LINES_MAX} wait: {}", lost.dropped_lines());
        drop(queue);
        assert_eq!(lines_written.try_iter().count(), 0, "the queue was given up, not waited for");
        drop(release);
    }

    /// Method: the first line is held back, so the end has to wait for it; then it is let go.
    #[test]
    fn what_is_queued_is_written_at_the_end_even_where_writing_fails() {
        let (release, released) = mpsc::channel::<()>();
        let (written, lines_written) = mpsc::channel();
        let (released, written) = (Mutex::new(released), Mutex::new(written));
        let (lines, queue) = queue(move |line| {
            // After the first line nobody is left to wait for.
            let _let_go = released.lock().expect("no panic").recv();
            written.lock().expect("no panic").send(line.to_vec()).expect("the test listens");
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        });
        tracing::subscriber::with_default(subscriber(LogFormat::Text, EnvFilter::new("warn"), lines), || {
            tracing::warn!("one");
            tracing::warn!("two");
        });
        let (ended, has_ended) = mpsc::channel();
        let end = std::thread::spawn(move || {
            drop(queue);
            ended.send(()).expect("the test listens");
        });
        let too_early = has_ended.recv_timeout(Duration::from_millis(50));
        assert!(too_early.is_err(), "the end did not wait for the lines");
        drop(release);
        end.join().expect("no panic");
        assert_eq!(lines_written.try_iter().count(), 2);
    }
}
