//! `edison mock`, from the arguments to the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::{MultiProgress, ProgressDrawTarget};

use super::record::Recorder;
use super::script::Script;
use super::server::{MockServer, StartError};
use crate::cli::LogFormat;
use crate::config::LISTEN;
use crate::limits::HttpLimits;
use crate::output::say;
use crate::run::write_port;
use crate::shutdown::Shutdown;
use crate::signals::Signals;
use crate::{listen, telemetry};

/// The arguments of `edison mock`.
#[derive(Debug, Args)]
pub(crate) struct MockArgs {
    /// Play this script, instead of four models that echo, count and know their tier
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Listen here; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = LISTEN)]
    listen: SocketAddr,

    /// Write the port to this file once it is bound
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// Answer a request that no rule matches with 400 and the closest rule
    #[arg(long)]
    strict: bool,

    /// Decide about jitter and about faults by chance with this seed, instead of the script's
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Play the script without its times
    #[arg(long)]
    no_timing: bool,

    /// Hand requests to the server at this URL, and write its answers and their times into --record-to
    #[arg(long, value_name = "URL", requires = "record_to", conflicts_with_all = ["script", "strict", "seed", "no_timing"])]
    record: Option<String>,

    /// The script to record into
    #[arg(long, value_name = "FILE", requires = "record")]
    record_to: Option<PathBuf>,

    /// How log lines are written; RUST_LOG says which
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,

    /// Print the JSON Schema of scripts, and end
    #[arg(long)]
    print_schema: bool,
}

/// Why the program ends early: what to say, and the exit code.
pub(crate) type Stop = (String, u8);

/// Runs the mock until a signal comes.
pub(crate) fn run(args: &MockArgs) -> Result<(), Stop> {
    if args.print_schema {
        say(&format!("{:#}\n", Script::schema()));
        return Ok(());
    }
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
    // Until the end of the function: the last lines are written then, before the reason of the end is told.
    let _log = telemetry::start(args.log_format, bars).map_err(|error| (error, 2))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (format!("no threads to run on: {error}"), 1))?;
    let ended = runtime.block_on(async {
        match (&args.record, &args.record_to) {
            (Some(url), Some(file)) => record(args, url, file).await,
            _ => play(args).await,
        }
    });
    runtime.shutdown_background();
    ended
}

async fn play(args: &MockArgs) -> Result<(), Stop> {
    let mut signals = signals()?;
    let script = script(args).map_err(|error| (error, 2))?;
    let server = MockServer::start_at(script, args.listen).await.map_err(|error| match error {
        StartError::Script(error) => (error.to_string(), 2),
        StartError::Listen(error) => (error, 1),
    })?;
    announce(server.address(), args.port_file.as_deref(), "plays")?;
    signals.next().await;
    tokio::select! {
        biased;
        () = signals.next() => Err(("ended at once by a second signal".into(), 1)),
        () = server.stop() => Ok(()),
    }
}

async fn record(args: &MockArgs, url: &str, file: &Path) -> Result<(), Stop> {
    let mut signals = signals()?;
    let recorder = Recorder::new(url, file.to_owned()).map_err(|error| (error, 2))?;
    let listener = listen::bind(args.listen).map_err(|error| (error, 1))?;
    let address = listener.local_addr().map_err(|error| (error.to_string(), 1))?;
    announce(address, args.port_file.as_deref(), &format!("records {url}"))?;
    let shutdown = Shutdown::default();
    let serve = listen::serve(listener, Arc::new(recorder).app(), HttpLimits::default(), shutdown.clone());
    let connections = tokio::spawn(serve);
    signals.next().await;
    shutdown.close_connections();
    // A panic of that task was reported when it happened.
    let _panicked = connections.await;
    Ok(())
}

fn signals() -> Result<Signals, Stop> {
    Signals::listen().map_err(|error| (format!("cannot hear signals: {error}"), 1))
}

fn announce(address: SocketAddr, port_file: Option<&Path>, does: &str) -> Result<(), Stop> {
    if let Some(file) = port_file {
        write_port(file, address.port()).map_err(|error| (format!("{}: {error}", file.display()), 1))?;
    }
    let text = format!("Edison {does} on http://{address}\n");
    // Not awaited: that nobody reads it is no reason to stop.
    drop(tokio::task::spawn_blocking(move || say(&text)));
    Ok(())
}

fn script(args: &MockArgs) -> Result<Script, String> {
    let mut script = match &args.script {
        None => Script::default(),
        Some(file) => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
            let is_json = file.extension().is_some_and(|extension| extension == "json");
            let read = if is_json { Script::from_json(&text) } else { Script::from_toml(&text, &name) };
            read.map_err(|error| format!("the script is not usable\n{error}"))?
        }
    };
    script.strict |= args.strict;
    script.seed = args.seed.unwrap_or(script.seed);
    Ok(if args.no_timing { script.without_timing() } else { script })
}
