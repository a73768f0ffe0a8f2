//! Connections that are opened and left: the server stays up, its memory stays bounded, and `/health` answers.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How many, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Connections that are opened and left
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// How long the server waits for the rest of a header or a body
    #[arg(long, default_value_t = 20_000)]
    read_timeout_ms: u64,
    /// How often each crowd comes
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

/// What the connections of a crowd send before they fall silent.
const CROWDS: [(&str, &[u8]); 5] = [
    ("nothing", b""),
    ("half a header", b"GET /health HTTP/1.1\r\nhost: h\r\nx: "),
    ("half a body", b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n{\"model\":"),
    ("a beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ("a request, and no reading", b"GET /locks HTTP/1.1\r\nhost: h\r\n\r\n"),
];

/// Bytes of memory that a connection may take. Judged where a thousand and more were kept: with the usual bound on
/// connections there are fewer, and what else the server did meanwhile counts.
const PER_CONNECTION_MAX: f64 = 32.0 * 1024.0;

/// How long `/health` may take when there is a place for everybody, and when there is none: then it has to wait until a
/// crowded connection has had its time, which is 2 s.
const HEALTH_MAX: Duration = Duration::from_secs(1);
const CROWDED_HEALTH_MAX: Duration = Duration::from_secs(10);

/// As many files as the system lets this process have.
pub(crate) fn raise_file_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}

/// Lets every crowd come to a server with the usual bound on connections, and to one that takes all of them.
///
/// # Errors
/// What did not hold, a line each.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let files = raise_file_limit();
    let wanted = arguments.connections as u64 + 100;
    if files < wanted {
        return Err(format!("{wanted} files are needed and {files} allowed; raise `ulimit -n`, or give --connections"));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let problems = runtime.block_on(async {
        let usual = server::HttpLimits::default().connections_max;
        let mut problems = look(arguments, usual, CROWDED_HEALTH_MAX).await?;
        problems.extend(look(arguments, arguments.connections * 2, HEALTH_MAX).await?);
        Ok::<_, String>(problems)
    })?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

async fn look(arguments: &Arguments, connections_max: usize, health_max: Duration) -> Result<Vec<String>, String> {
    let (mut child, address) = start(connections_max, arguments.read_timeout_ms).await?;
    health(address, health_max).await?;
    println!("\n{} connections, connections_max = {connections_max}\n", arguments.connections);
    println!(
        "{:28} {:>8} {:>6} {:>9} {:>9} {:>12} {:>10} {:>9}",
        "that send", "come in", "kept", "MiB", "with", "bytes each", "/health", "after"
    );
    let mut problems = Vec::new();
    for (name, bytes) in CROWDS {
        for round in 0..arguments.rounds {
            let before = memory(&child)?;
            let begun = Instant::now();
            let crowd = open(address, arguments.connections, bytes).await?;
            let came_in = begun.elapsed();
            let (kept, crowd) = still_there(crowd).await;
            let with = memory(&child)?;
            let answered = health(address, health_max).await;
            let over = timeout(Duration::from_millis(arguments.read_timeout_ms * 2 + 5_000), all_ended(crowd)).await;
            let after = memory(&child)?;
            let each = (with - before).max(0.0) / kept.max(1) as f64;
            let shown = answered.as_ref().map_or_else(|_| "none".to_owned(), |time| format!("{} ms", time.as_millis()));
            println!(
                "{name:28} {:5.1} s {kept:6} {:9.1} {:9.1} {each:12.0} {shown:>10} {:9.1}",
                came_in.as_secs_f64(),
                mib(before),
                mib(with),
                mib(after)
            );
            let mut wrong = |holds: bool, what: &str| {
                if !holds {
                    problems.push(format!("{name}, connections_max {connections_max}, round {}: {what}", round + 1));
                }
            };
            // Who came first was ended before the last one came, so that this was no crowd.
            wrong(came_in.as_millis() < u128::from(arguments.read_timeout_ms), "they came too slowly; give more time");
            wrong(answered.is_ok(), "/health did not answer in time");
            wrong(over.is_ok(), "connections were not ended in their time");
            wrong(each <= PER_CONNECTION_MAX || kept < 1000, "a connection takes more memory than it may");
            wrong(child.try_wait().is_ok_and(|ended| ended.is_none()), "the server has ended");
        }
    }
    child.kill().await.map_err(|error| error.to_string())?;
    Ok(problems)
}

async fn start(connections_max: usize, read_timeout_ms: u64) -> Result<(Child, SocketAddr), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["serve", "--connections-max", &connections_max.to_string()])
        .args(["--read-timeout-ms", &read_timeout_ms.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the server does not start: {error}"))?;
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().ok_or("its output is not piped")?);
    said.read_line(&mut line).await.map_err(|error| error.to_string())?;
    let address = line.trim().parse().map_err(|_| format!("the server said {line:?} instead of an address"))?;
    Ok((child, address))
}

/// Opens them, some at a time so that the queue of the listener does not overflow.
async fn open(address: SocketAddr, n: usize, bytes: &[u8]) -> Result<Vec<TcpStream>, String> {
    let mut crowd = Vec::with_capacity(n);
    while crowd.len() < n {
        let some = (n - crowd.len()).min(100);
        for connected in join_all((0..some).map(|_| TcpStream::connect(address))).await {
            let mut stream = connected.map_err(|error| format!("connection {}: {error}", crowd.len() + 1))?;
            // One that was dropped at once takes nothing any more.
            let _dropped = stream.write_all(bytes).await;
            crowd.push(stream);
        }
    }
    Ok(crowd)
}

/// How many the server has kept, and all of them.
async fn still_there(crowd: Vec<TcpStream>) -> (usize, Vec<TcpStream>) {
    // The last ones are being taken, or dropped, at this moment.
    sleep(Duration::from_millis(300)).await;
    let kept = crowd.iter().filter(|stream| is_open(stream)).count();
    (kept, crowd)
}

/// Whether no end can be read, behind whatever was said.
fn is_open(stream: &TcpStream) -> bool {
    let mut said = [0; 4096];
    loop {
        match stream.try_read(&mut said) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Waits until the server has ended every one.
async fn all_ended(crowd: Vec<TcpStream>) {
    join_all(crowd.into_iter().map(async |mut stream| {
        let mut said = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut said).await;
    }))
    .await;
}

/// Asks until there is an answer, and tells how long that took.
async fn health(address: SocketAddr, max: Duration) -> Result<Duration, String> {
    let begun = Instant::now();
    let asked = timeout(max, async {
        while !is_healthy(address).await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    asked.await.map_err(|_| "no answer from /health".to_owned())?;
    Ok(begun.elapsed())
}

async fn is_healthy(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let mut answer = String::new();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// Bytes of memory that the process has, as the kernel counts them.
fn memory(child: &Child) -> Result<f64, String> {
    let id = child.id().ok_or("the server has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| format!("/proc: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("VmRSS is {line:?}"))?;
    Ok(kib * 1024.0)
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn one_that_was_answered_is_kept_and_one_that_was_ended_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        assert!(is_open(&client));
        server.write_all(b"HTTP/1.1 200 OK").await.unwrap();
        client.readable().await.unwrap();
        assert!(is_open(&client));
        drop(server);
        client.readable().await.unwrap();
        assert!(!is_open(&client));
    }
}
