//! Log lines: where they go, how they look, which there are.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// What is logged when `RUST_LOG` does not say. llama.cpp tells hundreds of lines about every load.
const FILTER: &str = "info,llama-cpp-2=warn";

/// Starts logging to standard error, above the progress bars if there are any.
///
/// # Errors
/// `RUST_LOG` cannot be understood.
pub(crate) fn start(format: LogFormat, bars: MultiProgress) -> Result<(), String> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => {
            EnvFilter::try_new(&filter).map_err(|error| format!("RUST_LOG=\"{filter}\" is no filter: {error}"))?
        }
        _ => EnvFilter::new(FILTER),
    };
    let writer = move || AboveBars(bars.clone());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second subscriber in one process is a test's; it keeps the first.
    let _already_set = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

/// Standard error, with the bars out of the way while something is written.
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
