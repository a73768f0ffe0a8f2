//! A server beside another one, with the same load on both, in turns.
//!
//! Where servers and clients share a few cores, start this with real-time priority (`chrt -f 10`): an engine that computes
//! without a pause keeps its core until the kernel's next tick, and a client's thread that was woken behind it reads its
//! first token up to 4 ms late. That is no time of the server's.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use crate::clock::Start;
use crate::held::Held;
use crate::table::{median, per_second, quantile};
use crate::wire;

/// The two servers, and what is asked of them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Our server, for example 127.0.0.1:8811
    #[arg(long = "url", value_parser = address)]
    ours: String,
    /// The other server; it speaks OpenAI's protocol too
    #[arg(long = "peer-url", value_parser = address)]
    peer: String,
    /// The model's name
    #[arg(long, default_value = "fast")]
    model: String,
    /// What clients ask
    #[arg(long, default_value = "Count from 1 to 60")]
    prompt: String,
    /// Ask both servers to compute every prompt from its beginning, whatever they remember of it
    #[arg(long)]
    fresh: bool,
    /// Tokens of an answer
    #[arg(long, default_value_t = 128)]
    answer: u32,
    /// Clients at one time; can be given several times
    #[arg(long, default_values_t = [1, 4, 16])]
    clients: Vec<usize>,
    /// Requests of each client in a round
    #[arg(long, default_value_t = 4)]
    requests: usize,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: usize,
    /// The process of our server, to compare memory at the end; wants --peer-pid
    #[arg(long, requires = "peer_pid")]
    pid: Option<u32>,
    /// The process of the other server
    #[arg(long, requires = "pid")]
    peer_pid: Option<u32>,
}

fn address(url: &str) -> Result<String, String> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    has_port.then(|| address.to_owned()).ok_or_else(|| "write HOST:PORT".to_owned())
}

/// What one request took.
struct Sample {
    first_ms: f64,
    n_tokens: usize,
}

/// What one side reached.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    first_ms: Vec<f64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    // Now, and not after minutes of load.
    arguments.pid.into_iter().chain(arguments.peer_pid).try_for_each(|process| Held::of(process).map(drop))?;
    println!("ours {}, the other {}; {} tokens an answer", arguments.ours, arguments.peer, arguments.answer);
    for &clients in &arguments.clients {
        let (mut ours, mut peer) = (Side::default(), Side::default());
        for round in 0..=arguments.rounds {
            for (address, side) in [(&arguments.ours, &mut ours), (&arguments.peer, &mut peer)] {
                let start = Start::now();
                let samples = crowd(address, arguments, clients)?;
                let n_tokens = samples.iter().map(|sample| sample.n_tokens).sum();
                // The first round warms up.
                if round > 0 {
                    side.rates.push(per_second(n_tokens, start.elapsed()));
                    side.first_ms.extend(samples.iter().map(|sample| sample.first_ms));
                }
            }
        }
        report(clients, &mut ours, &mut peer);
    }
    if let (Some(ours), Some(peer)) = (arguments.pid, arguments.peer_pid) {
        report_memory(&Held::of(ours)?, &Held::of(peer)?);
    }
    Ok(())
}

fn report_memory(ours: &Held, peer: &Held) {
    for (name, ours, peer) in [
        ("now", ours.mib, peer.mib),
        ("at most", ours.peak_mib, peer.peak_mib),
        ("not of files", ours.anonymous_mib, peer.anonymous_mib),
    ] {
        println!("memory, {name:<12} {ours:>8.1} MiB, the other {peer:>8.1}: ratio {:.3}", ours / peer);
    }
    println!("threads {}, the other {}", ours.threads, peer.threads);
}

fn report(clients: usize, ours: &mut Side, peer: &mut Side) {
    let (rate, peer_rate) = (median(&ours.rates), median(&peer.rates));
    println!("{clients:>3} clients  {rate:>8.1} t/s, the other {peer_rate:>8.1}: ratio {:.3}", rate / peer_rate);
    println!("      of {} requests each", ours.first_ms.len());
    for (name, q) in [("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let (first, peer_first) = (quantile(&mut ours.first_ms, q), quantile(&mut peer.first_ms, q));
        println!(
            "      first token, {name:<6} {first:>8.2} ms, the other {peer_first:>8.2}: ratio {:.3}",
            first / peer_first
        );
    }
}

/// All clients at one time, each with its requests one after the other.
fn crowd(address: &str, arguments: &Arguments, clients: usize) -> Result<Vec<Sample>, String> {
    std::thread::scope(|scope| {
        let client = |number| {
            move || {
                (0..arguments.requests)
                    .map(|n| ask(address, arguments, number * 100 + n))
                    .collect::<Result<Vec<_>, _>>()
            }
        };
        let clients: Vec<_> = (0..clients).map(|number| scope.spawn(client(number))).collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.join().map_err(|_| "a client panicked".to_owned())??);
        }
        Ok(samples)
    })
}

fn ask(address: &str, arguments: &Arguments, seed: usize) -> Result<Sample, String> {
    let body = json!({
        "model": arguments.model,
        "messages": [{"role": "user", "content": arguments.prompt}],
        "max_tokens": arguments.answer,
        "temperature": 0,
        "seed": seed,
        "stream": true,
        "cache_prompt": !arguments.fresh,
        "stream_options": {"include_usage": true},
    });
    stream(address, &body.to_string()).map_err(|error| format!("{address}: {error}"))
}

/// Posts a chat and reads the stream of its answer.
fn stream(address: &str, body: &str) -> Result<Sample, String> {
    let start = Start::now();
    let mut answer = wire::post(address, "/v1/chat/completions", body)?;
    let (mut first_ms, mut n_events, mut usage) = (None, 0, None);
    while let Some(event) = answer.event()? {
        if event["choices"][0]["delta"]["content"].as_str().is_some_and(|content| !content.is_empty()) {
            first_ms.get_or_insert_with(|| start.elapsed().as_secs_f64() * 1e3);
            n_events += 1;
        }
        usage = event["usage"]["completion_tokens"].as_u64().or(usage);
    }
    let n_tokens = usage.and_then(|n| usize::try_from(n).ok()).unwrap_or(n_events);
    Ok(Sample { first_ms: first_ms.ok_or("an answer without a token")?, n_tokens })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("http://127.0.0.1:8080/"), Ok("127.0.0.1:8080".to_owned()));
        assert!(address("localhost").is_err());
    }
}
