//! Where the time of an answer went, for clients that look for it.

use std::fmt::Write;
use std::time::Duration;

use http::HeaderValue;
use serde::Serialize;
use serving::{Completed, Started};

use crate::wire::llama::LlamaTimings;

/// The header that browsers show beside a request.
pub(super) const HEADER: &str = "server-timing";

/// An answer with its `timings`, by the names that clients of llama-server read.
#[derive(Serialize)]
pub(crate) struct Timed<T> {
    #[serde(flatten)]
    answer: T,
    /// Only of an answer that had one lane: several overlap, and their times are nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<LlamaTimings>,
}

impl<T> Timed<T> {
    /// The answer, or the last piece of one of its choices, of which there are so many.
    pub(crate) fn new(answer: T, n_choices: usize, completed: &Completed) -> Self {
        Self { answer, timings: (n_choices == 1).then(|| LlamaTimings::new(completed)) }
    }
}

/// What is known when the first token comes.
pub(super) fn begun(started: &Started) -> HeaderValue {
    written(&[("load", started.loading), ("wait", started.waited), ("prefill", started.prefill)])
}

/// What is known at the end.
pub(super) fn over(completed: &Completed) -> HeaderValue {
    let timings = completed.timings;
    let decode = ("decode", timings.decode);
    written(&[("load", timings.loading), ("wait", timings.waited), ("prefill", timings.prefill), decode])
}

/// Milliseconds, as the header's standard has it. Every answer has them, and whole numbers are written faster than others.
fn written(parts: &[(&str, Duration)]) -> HeaderValue {
    let mut text = String::with_capacity(96);
    for (name, time) in parts {
        let comma = if text.is_empty() { "" } else { ", " };
        let micros = time.as_micros();
        write!(text, "{comma}{name};dur={}.{:03}", micros / 1000, micros % 1000).expect("a String takes everything");
    }
    HeaderValue::try_from(text).expect("names and numbers are visible ASCII")
}
