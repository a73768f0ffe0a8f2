//! The repetitions that are drawn, in the format of Chrome's traces: open it in Perfetto or in chrome://tracing.

use serde_json::{Value, json};

use crate::judge::Result;
use crate::play::Bar;

/// One process for each scenario, one thread for each request; waits and holds are slices.
pub(crate) fn write(results: &[Result]) -> String {
    let events = results.iter().zip(1..).flat_map(|(result, process)| {
        let name = format!("{}: {}", result.engine.describe(), result.scenario.claim);
        let head = json!({"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}});
        let bars = result.typical().map_or(&[][..], |played| &played.bars);
        let bars = bars.iter().zip(1..).flat_map(move |(bar, request)| events(bar, process, request));
        std::iter::once(head).chain(bars)
    });
    let trace = json!({"displayTimeUnit": "ms", "traceEvents": events.collect::<Vec<_>>()});
    format!("{trace:#}\n")
}

fn events(bar: &Bar, process: u32, request: u32) -> Vec<Value> {
    let label = format!("request {request} for {}", bar.asked);
    let slice = |name: &str, from: f64, to: f64| {
        json!({"ph": "X", "cat": "lock", "name": name, "pid": process, "tid": request, "ts": micros(from),
               "dur": micros(to - from), "args": {"model": bar.model, "class": format!("{:?}", bar.class)}})
    };
    let mut events =
        vec![json!({"ph": "M", "name": "thread_name", "pid": process, "tid": request, "args": {"name": label}})];
    let waited_until = bar.held.map(|(from, _)| from).or(bar.left).unwrap_or(bar.arrived);
    events.push(slice("wait", bar.arrived, waited_until));
    events.extend(bar.held.map(|(from, to)| slice(&format!("hold {}", bar.model), from, to)));
    events.extend(bar.left.map(
        |at| json!({"ph": "i", "s": "t", "name": "client left", "pid": process, "tid": request, "ts": micros(at)}),
    ));
    events
}

fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round()
}
