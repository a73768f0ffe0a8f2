//! The server in a process of its own, whose memory is its own.

use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Args;
use server::{AppOptions, HttpLimits, Shutdown};

use crate::servers;

/// The bounds of the server.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    connections_max: usize,
    #[arg(long)]
    read_timeout_ms: u64,
}

/// Serves until it is killed, and says at which address.
///
/// # Errors
/// No free port.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    crate::crowd::raise_file_limit();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (service, metrics) = servers::service(1, 1).await?;
        let read_timeout = Duration::from_millis(arguments.read_timeout_ms);
        let limits = HttpLimits {
            connections_max: arguments.connections_max,
            header_read_timeout: read_timeout,
            body_read_timeout: read_timeout,
            ..HttpLimits::default()
        };
        let listener = server::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        println!("{}", listener.local_addr().map_err(|error| error.to_string())?);
        let app = server::app(service, AppOptions { limits: limits.clone(), metrics, ..AppOptions::default() });
        server::serve(listener, app, limits, Shutdown::default()).await;
        Ok(())
    })
}
