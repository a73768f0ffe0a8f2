//! What a request and a streamed token cost, layer by layer.
//!
//! The servers run on one thread and the client on another, so that a server that is busy all the time answers as often
//! as a request costs it time: the differences between the rows add up.

use std::net::SocketAddr;
use std::time::Duration;

use backend::{Chat, ChatMessage, GenerateOptions, Prompt, Role};
use clap::Args;
use futures_util::future::join_all;
use serving::{Class, Progress, Request, Service};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::{load, servers};

const BODY: &str =
    r#"{"model":"m","messages":[{"role":"user","content":"Say hello."}],"temperature":0,"max_tokens":16}"#;
const TOKENIZE: &str = r#"{"model":"m","content":"Say hello, and then say it again, and once more after that."}"#;
const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"Say hello."}],"stream":true}"#;
const CHAT: &str = "/v1/chat/completions";

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Connections that ask at one time
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Tokens of a streamed answer
    #[arg(long, default_value_t = 20_000)]
    tokens: usize,
    /// Rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only this row, for a profiler
    #[arg(long)]
    only: Option<String>,
}

/// A row of the first table.
struct Row {
    name: &'static str,
    what: What,
    micros: Vec<f64>,
}

enum What {
    Http(SocketAddr, Vec<u8>),
    /// The service alone.
    Service(Service),
}

/// Measures both, and prints them.
///
/// # Errors
/// No free port, or a server that does not answer.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let server = runtime("server")?;
    let client = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut rows = server.block_on(rows())?;
    rows.retain(|row| arguments.only.as_deref().is_none_or(|only| row.name.contains(only)));
    let time = Duration::from_secs_f64(arguments.seconds);
    for _ in 0..arguments.rounds {
        for row in &mut rows {
            let rate = match &row.what {
                What::Http(to, request) => client.block_on(load::rate(*to, request, arguments.connections, time))?,
                What::Service(service) => {
                    let asking = alone(service.clone(), arguments.connections, time);
                    server.block_on(server.spawn(asking)).map_err(|error| error.to_string())?
                }
            };
            row.micros.push(1e6 / rate);
        }
    }
    println!("a completion of one token, {} connections\n", arguments.connections);
    println!("{:46} {:>9} {:>9} {:>9}", "", "µs", "a second", "of bare");
    let bare = rows.first().map_or(1.0, |row| median(&row.micros));
    for Row { name, micros, .. } in &rows {
        let micros = median(micros);
        println!("{name:46} {micros:9.1} {:9.0} {:9.2}", 1e6 / micros, bare / micros);
    }
    if arguments.only.is_none() {
        streams(arguments, &server, &client)?;
    }
    Ok(())
}

/// One worker, so that a server has one core to itself and no more.
fn runtime(name: &str) -> Result<Runtime, String> {
    let built = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
    built.map_err(|error| error.to_string())
}

async fn rows() -> Result<Vec<Row>, String> {
    let chat = || load::request(CHAT, BODY);
    let row = |name, what| Row { name, what, micros: Vec::new() };
    Ok(vec![
        row("hyper, bare", What::Http(servers::bare(None).await?, chat())),
        row("our connections and a router", What::Http(servers::connection().await?, chat())),
        row(
            "the app, /tokenize: no lane",
            What::Http(servers::whole(1, 1).await?, load::request("/tokenize", TOKENIZE)),
        ),
        row("the app, a completion on one lane", What::Http(servers::whole(1, 1).await?, chat())),
        row("the app, a completion on 16 lanes", What::Http(servers::whole(16, 1).await?, chat())),
        row("the service alone, without HTTP, one lane", What::Service(servers::service(1, 1).await?.0)),
    ])
}

/// Requests in a second of the service, without HTTP.
async fn alone(service: Service, n_clients: usize, time: Duration) -> f64 {
    let begun = Instant::now();
    let clients = (0..n_clients).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            let mut n = 0_usize;
            while begun.elapsed() < time {
                ask(&service).await;
                n += 1;
            }
            n
        })
    });
    let n: usize = join_all(clients).await.into_iter().map(|counted| counted.unwrap_or_default()).sum();
    n as f64 / begun.elapsed().as_secs_f64()
}

async fn ask(service: &Service) -> usize {
    let asked = service.submit(Request {
        id: "a-1".to_owned(),
        client: None,
        model: "m".to_owned(),
        class: Class::Normal,
        prompt: Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, "Say hello.")])),
        options: GenerateOptions::default(),
        max_tokens: None,
        queue_timeout: None,
    });
    let mut generation = asked.expect("the queue has room for the clients");
    generation.started().await.expect("the engine does not fail");
    let mut n = 0;
    while let Some(Progress::Token(_)) = generation.next().await {
        n += 1;
    }
    n
}

/// The second table.
fn streams(arguments: &Arguments, server: &Runtime, client: &Runtime) -> Result<(), String> {
    let tokens = arguments.tokens;
    let (bare, whole) = server.block_on(async { (servers::bare(Some(tokens)).await, servers::whole(1, tokens).await) });
    let (bare, whole, request) = (bare?, whole?, load::request(CHAT, STREAM));
    let (service, _) = server.block_on(servers::service(1, tokens))?;
    let mut times = [("hyper, bare", vec![]), ("the app", vec![]), ("the service alone, without HTTP", vec![])];
    for _ in 0..arguments.rounds {
        times[0].1.push(nanos(client.block_on(load::stream(bare, &request, tokens))?, tokens));
        times[1].1.push(nanos(client.block_on(load::stream(whole, &request, tokens))?, tokens));
        let service = service.clone();
        let alone = server.spawn(async move {
            let begun = Instant::now();
            (ask(&service).await, begun.elapsed())
        });
        let (n, time) = server.block_on(alone).map_err(|error| error.to_string())?;
        times[2].1.push(nanos(time, n));
    }
    println!("\na streamed answer of {tokens} tokens, one connection\n\n{:46} {:>9}", "", "ns/token");
    for (name, times) in &times {
        println!("{name:46} {:9.0}", median(times));
    }
    Ok(())
}

fn nanos(time: Duration, tokens: usize) -> f64 {
    time.as_secs_f64() * 1e9 / tokens.max(1) as f64
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
