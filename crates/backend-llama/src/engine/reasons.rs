//! Why llama.cpp failed.
//!
//! Its functions return a null pointer or a number and write the reason to the log. The log comes through `tracing` on
//! the thread that called, so a subscriber placed there for the time of a call hears it. Everything is passed on
//! to the subscriber that was there before.

use std::fmt::{Debug, Display, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, with_default};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// The target of llama.cpp's log.
const TARGET: &str = "llama-cpp-2";
/// Errors kept of one call. The first ones are the cause.
const LINES_MAX: usize = 4;

/// What llama.cpp complained about during a call.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Vec<String>);

impl Reasons {
    /// The complaints as one line, or the error where there were none.
    pub(crate) fn or(&self, error: &dyn Display) -> String {
        if self.0.is_empty() { error.to_string() } else { self.0.join("; ") }
    }
}

/// Calls `f` and returns what llama.cpp complained about meanwhile.
pub(crate) fn collect<T>(f: impl FnOnce() -> T) -> (T, Reasons) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let outer = tracing::dispatcher::get_default(Dispatch::clone);
    let result = with_default(Listener { outer, lines: Arc::clone(&lines) }, f);
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    (result, Reasons(lines))
}

struct Listener {
    outer: Dispatch,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn keep(&self, line: &str) {
        let line = line.trim_start_matches("error loading model: ");
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // The caller knows that much already.
        if lines.len() < LINES_MAX && line != "failed to load model" {
            lines.push(line.to_string());
        }
    }

    fn is_complaint(metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET && *metadata.level() == Level::ERROR
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // This subscriber comes and goes, so nothing may be decided once and for all.
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // llama.cpp's log does not look at it, and a higher one would stay when this subscriber is gone.
        Some(LevelFilter::current())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::is_complaint(metadata) || self.outer.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        if Self::is_complaint(event.metadata()) {
            let mut message = Message::default();
            event.record(&mut message);
            self.keep(message.0.trim());
        }
        if self.outer.enabled(event.metadata()) {
            self.outer.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.outer.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.outer.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.outer.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.outer.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.outer.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.outer.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.outer.try_close(id)
    }
}

/// The text of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").expect("writing to a string does not fail");
        }
    }
}
