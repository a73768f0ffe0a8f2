//! The program `broken-server`: one fault, one port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use broken_server::{BrokenServer, Fault, Make};
use clap::Parser;
use tokio::net::TcpListener;

/// A server with one fault at choice, for `edison check` to find.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is wrong with it
    #[arg(long, value_enum, default_value_t)]
    fault: Fault,

    /// Listen on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,

    /// Write the port to this file once it is bound
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// How many milliseconds a token takes
    #[arg(long, value_name = "MS", default_value_t = 10)]
    token_ms: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| runtime.block_on(serve(&arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("broken-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port))).await?;
    let address = listener.local_addr()?;
    println!("{:?} on http://{address}", arguments.fault);
    if let Some(file) = &arguments.port_file {
        // It gets its name when it is complete.
        let draft = file.with_extension("tmp");
        std::fs::write(&draft, format!("{}\n", address.port()))?;
        std::fs::rename(&draft, file)?;
    }
    let time_per_token = Duration::from_millis(arguments.token_ms);
    let server = BrokenServer::new(Make { fault: arguments.fault, time_per_token, ..Make::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move { server.serve_connection(stream).await });
    }
}
