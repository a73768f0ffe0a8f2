//! `edison serve`, from the arguments to the exit code.

use std::env::VarError;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressDrawTarget};
use serving::{LoadState, Service};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::access::{ApiKeys, VARIABLE};
use crate::app::{AppOptions, app};
use crate::cli::{Cli, Command, LogFormat, ServeArgs};
use crate::config::{self, Config};
use crate::doctor::Verified;
use crate::fetch::PictureFetch;
use crate::listen::Door;
use crate::metrics::Metrics;
use crate::output::{complain, say};
use crate::shutdown::Shutdown;
use crate::signals::Signals;
use crate::tls::Tls;
use crate::unix_socket::{self, SocketFile};
use crate::{check_command, doctor, engine, listen, progress, report, telemetry};

/// Why the program ends early.
#[derive(Debug)]
enum Stop {
    /// The arguments or the configuration have to change: exit code 2.
    Usage(String),
    /// Something failed while running: exit code 1.
    Failure(String),
}

/// Runs the program. 0 after an orderly end, 1 after a failure, 2 where arguments or configuration are wrong.
pub fn run(cli: Cli) -> ExitCode {
    // The mock has no engine to prepare for, and a test waits for it to start.
    #[cfg(feature = "mock")]
    let has_engine = !matches!(cli.command, Command::Mock(_));
    #[cfg(not(feature = "mock"))]
    let has_engine = true;
    if has_engine {
        engine::prepare_environment();
    }
    let ended = match cli.command {
        Command::Serve(args) => serve(&args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check_command::run(&args).map_err(Stop::Usage),
        Command::Doctor(args) => doctor::run(&args).map(|()| ExitCode::SUCCESS).map_err(Stop::Failure),
        #[cfg(feature = "mock")]
        Command::Mock(args) => crate::mock::run(&args)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|(why, code)| if code == 2 { Stop::Usage(why) } else { Stop::Failure(why) }),
    };
    match ended {
        Ok(code) => code,
        Err(Stop::Usage(message)) => fail(&message, 2),
        Err(Stop::Failure(message)) => fail(&message, 1),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    complain(message);
    ExitCode::from(code)
}

fn serve(args: &ServeArgs) -> Result<(), Stop> {
    let config = configuration(args)?;
    if args.print_config {
        say(&config::to_toml(&config));
        return Ok(());
    }
    let bars = MultiProgress::new();
    if !std::io::stderr().is_terminal() || args.log_format == LogFormat::Json {
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
    // Until the end of the function: the last lines are written then, before the reason of the end is told.
    let _log = telemetry::start(args.log_format, bars.clone()).map_err(Stop::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop::Failure(format!("no threads to run on: {error}")))?;
    let ended = runtime.block_on(run_server(&config, args, &bars));
    // Does not wait for threads that are stuck in an engine: whoever sent a second signal wants an end.
    runtime.shutdown_background();
    ended
}

fn configuration(args: &ServeArgs) -> Result<Config, Stop> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let config = match &args.config {
        Some(file) => config::from_file(file, cores),
        None if args.models.is_empty() => Ok(Config::demo(cores)),
        None => config::from_models(&args.models, cores),
    };
    let mut config = config.map_err(|problems| Stop::Usage(format!("the configuration is not usable\n{problems}")))?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.api_keys = args.api_keys.clone().or(config.api_keys);
    Ok(config)
}

/// Serves until a signal comes or nothing is left to serve.
async fn run_server(config: &Config, args: &ServeArgs, bars: &MultiProgress) -> Result<(), Stop> {
    let mut signals = Signals::listen().map_err(|error| Stop::Failure(format!("cannot hear signals: {error}")))?;
    let service_config = config.service().map_err(Stop::Usage)?;
    let keys = keys(config.api_keys.as_deref())?;
    let (listener, address) = bind(config.listen, args.port_file.as_deref()).await?;
    warn_of_strangers(address, &keys, config.tls.is_some());
    let (doors, _socket) = doors(config, listener)?;
    let backend = engine::start().map_err(Stop::Failure)?;
    let backend = if config.verify_models { Arc::new(Verified::new(backend)) } else { backend };
    let metrics = Metrics::default();
    let service = Service::start_observed(service_config, backend, metrics.observer());
    let service = service.map_err(|error| Stop::Usage(error.to_string()))?;
    let has_keys = !keys.is_empty();
    let options = AppOptions {
        limits: config.http.clone(),
        keys,
        origins: config.origins.clone(),
        pictures: if config.fetch_pictures { PictureFetch::on() } else { PictureFetch::off() },
        metrics,
        ..AppOptions::default()
    };
    let shutdown = options.shutdown.clone();
    let connections = listen::serve_all(doors, app(service.clone(), options), config.http.clone(), shutdown.clone());
    // The control plane answers while models load, and a chat waits for its model.
    let connections = tokio::spawn(connections);
    let ended = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        failure = until_nothing_loaded(&service, config, (address, has_keys), args.log_format, bars) => Err(Stop::Failure(failure)),
    };
    tracing::info!(drain_timeout = ?config.http.drain_timeout, "shutting down; a second signal ends at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(Stop::Failure("ended at once by a second signal".into())),
        () = drain(&service, config, &shutdown, connections) => ended,
    }
}

/// Lets the requests finish, then the connections. Until then new chats are refused in words, and `/ready` says 503.
async fn drain(service: &Service, config: &Config, shutdown: &Shutdown, connections: JoinHandle<()>) {
    shutdown.start_draining();
    service.shutdown(config.http.drain_timeout).await;
    shutdown.close_connections();
    // A panic of that task was reported when it happened; the end is orderly all the same.
    let _panicked = connections.await;
}

async fn bind(address: SocketAddr, port_file: Option<&Path>) -> Result<(TcpListener, SocketAddr), Stop> {
    let listener = listen::bind(address).map_err(Stop::Failure)?;
    let address = listener.local_addr().map_err(|error| Stop::Failure(format!("no address: {error}")))?;
    if let Some(file) = port_file {
        write_port(file, address.port()).map_err(|error| Stop::Failure(format!("{}: {error}", file.display())))?;
    }
    Ok((listener, address))
}

/// Every way in, and what has to live as long as they do.
fn doors(config: &Config, listener: TcpListener) -> Result<(Vec<Door>, Option<SocketFile>), Stop> {
    let tls = config.tls.as_ref().map(|(certificate, key)| Tls::from_files(certificate, key));
    let first = match tls.transpose().map_err(Stop::Usage)? {
        Some(tls) => Door::with_tls(listener, tls),
        None => listener.into(),
    };
    let Some(path) = &config.unix_socket else { return Ok((vec![first], None)) };
    let (second, file) = unix_socket::open(path).map_err(Stop::Failure)?;
    Ok((vec![first, second], Some(file)))
}

/// The API keys of the file and of the environment.
fn keys(file: Option<&Path>) -> Result<ApiKeys, Stop> {
    let parse = |place: &str, text: &str| {
        let told =
            |problems: Vec<String>| format!("the API keys in {place} are not usable\n  {}", problems.join("\n  "));
        ApiKeys::parse(text).map_err(|problems| Stop::Usage(told(problems)))
    };
    let of_file = file.map(|file| {
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file);
        parse(&place, &text.map_err(|error| Stop::Usage(format!("{place}: cannot be read: {error}")))?)
    });
    let of_environment = match std::env::var(VARIABLE) {
        Ok(text) => Some(parse(VARIABLE, &text)),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => return Err(Stop::Usage(format!("{VARIABLE} is no text"))),
    };
    let keys = of_file.transpose()?.unwrap_or_default().and(of_environment.transpose()?.unwrap_or_default());
    if !keys.is_empty() {
        tracing::info!(?keys, "only those with an API key are served");
    }
    Ok(keys)
}

fn warn_of_strangers(address: SocketAddr, keys: &ApiKeys, has_tls: bool) {
    if address.ip().is_loopback() {
        return;
    }
    if keys.is_empty() {
        tracing::warn!(%address, "everybody who reaches this address can use the models; --api-keys changes that");
    } else if !has_tls {
        tracing::warn!(%address, "API keys and texts travel as they are: whoever sees the network can read them");
    }
}

/// Whoever waits for the file never sees half of it: it gets its name when it is complete.
pub(crate) fn write_port(file: &Path, port: u16) -> std::io::Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".tmp");
    std::fs::write(&draft, format!("{port}\n"))?;
    std::fs::rename(&draft, file)
}

/// Shows the load and reports its result. Comes back only when no model could be loaded, with the reasons.
async fn until_nothing_loaded(
    service: &Service,
    config: &Config,
    (address, has_keys): (SocketAddr, bool),
    format: LogFormat,
    bars: &MultiProgress,
) -> String {
    progress::show(service, bars).await;
    let views = service.models();
    let failures = report::failures(&views);
    if failures.len() == views.len() {
        return format!("no model could be loaded\n  {}", failures.join("\n  "));
    }
    match format {
        // Not awaited: that nobody reads it is no reason to stop serving.
        LogFormat::Text => {
            let report = report::serving(address, config, has_keys, &views);
            drop(tokio::task::spawn_blocking(move || say(&report)));
        }
        LogFormat::Json => {
            let ready = views.iter().filter(|view| view.state == LoadState::Ready).count();
            tracing::info!(%address, ready, failed = failures.len(), "serving");
        }
    }
    std::future::pending().await
}
