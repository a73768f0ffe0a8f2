//! The bounds of the HTTP side, by name.

use std::time::Duration;

/// What one client may take from all the others. Every default is in the doc of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's body. One more is answered with 413. Default 8 MiB,
    /// which is a photograph or two.
    pub body_max_bytes: usize,
    /// Bytes of all bodies that are being read or parsed at one time. A request waits for its part as long as
    /// `body_read_timeout`; then it is answered with 503. Default 64 MiB.
    pub bodies_max_bytes: usize,
    /// How long a body may take to arrive. Then it is answered with 408. Default 30 s.
    pub body_read_timeout: Duration,
    /// Bytes of a request's headers, at least [`HEADERS_MIN_BYTES`]. More is answered with 431. Default 32 KiB.
    pub headers_max_bytes: usize,
    /// How long a connection may go without a complete request, from its beginning or since its last answer. Then
    /// it is closed. Default 60 s.
    pub header_read_timeout: Duration,
    /// How long a client may go without taking anything of what there is for it: a write that stands still, or over
    /// HTTP/2 a piece of an answer that it does not allow to be written, whatever else it takes meanwhile. Then the
    /// connection is closed. Default 60 s.
    pub write_timeout: Duration,
    /// Connections at one time. A few more are taken, and get 503 for whatever needs a model. Default 512.
    pub connections_max: usize,
    /// Messages of a chat. More are answered with 400. Default 1,000.
    pub messages_max: usize,
    /// Bytes of a picture that is fetched, where that is switched on. More is answered with 400. Default 8 MiB.
    pub fetch_max_bytes: usize,
    /// How long the pictures of a request may take to come, before it waits for its model. Then it is answered with 400.
    /// Default 10 s.
    pub fetch_timeout: Duration,
    /// Requests at one time on one HTTP/2 connection. Default 100.
    pub streams_max: u32,
    /// How long a streamed answer may say nothing before a comment keeps its connection alive, and tells where the
    /// request is. At least 1 s. By default `None`: only for clients that ask for it with `x-edison-keep-alive-ms`,
    /// since from the first comment on a refusal can no longer have its status.
    pub keep_alive: Option<Duration>,
    /// How long requests may go on after the server was asked to stop. Their connections end with them, or then; the
    /// others end at once. Default 30 s.
    pub drain_timeout: Duration,
}

/// The smallest buffer for headers that the HTTP implementation takes.
pub const HEADERS_MIN_BYTES: usize = 8 * 1024;

/// The longest name of a model that a request may ask for, in bytes. No model has one as long.
pub(crate) const MODEL_MAX_BYTES: usize = 256;

/// Stop strings that one request may have, as in the OpenAI API.
pub(crate) const STOPS_MAX: usize = 4;

/// Answers that one request may want. Each takes a place in the queue.
pub(crate) const CHOICES_MAX: u32 = 8;

/// Answers that one request with several prompts may want in all.
pub(crate) const COMPLETIONS_MAX: usize = 64;

/// Tokens that one request may want to have the text of.
pub(crate) const TOKENS_MAX: usize = 128 * 1024;

/// Inputs that one request for embeddings may have, as in the OpenAI API. They are computed under one lease.
pub(crate) const INPUTS_MAX: usize = 2048;

/// Documents that one request may want to have ranked. They are computed under one lease.
pub(crate) const DOCUMENTS_MAX: usize = 1000;

/// The shortest time between two comments that keep a connection alive.
pub(crate) const KEEP_ALIVE_MIN: Duration = Duration::from_secs(1);

/// The longest stop string, in bytes. Every piece of an answer is compared with each.
pub(crate) const STOP_MAX_BYTES: usize = 256;

/// Tools that one request may have.
pub(crate) const TOOLS_MAX: usize = 128;

/// The longest name of a tool, in bytes, as in the OpenAI API.
pub(crate) const TOOL_NAME_MAX: usize = 64;

/// The largest body, in bytes, that is parsed where requests are answered. Larger ones are parsed on other threads, so
/// that nobody else's answer waits for it.
pub(crate) const INLINE_PARSE_MAX_BYTES: usize = 64 * 1024;

/// Connections that may be there before they are taken. The system may allow fewer. One more has to knock again, a second
/// later at the earliest, so a crowd that comes at once must find room although the server is busy for a moment.
pub(crate) const KNOCKS_MAX: u32 = 1024;

/// Connections beyond `connections_max` that are still told so, and that can still ask for `/health`.
pub(crate) const CROWD_MAX: usize = 32;

/// How long a crowded connection may go without a complete request: long enough for one question.
pub(crate) const CROWD_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection with no request under way may take to end, once the server wants it to.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_max_bytes: 8 * 1024 * 1024,
            bodies_max_bytes: 64 * 1024 * 1024,
            body_read_timeout: Duration::from_secs(30),
            headers_max_bytes: 32 * 1024,
            header_read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            connections_max: 512,
            messages_max: 1_000,
            fetch_max_bytes: 8 * 1024 * 1024,
            fetch_timeout: Duration::from_secs(10),
            streams_max: 100,
            keep_alive: None,
            drain_timeout: Duration::from_secs(30),
        }
    }
}
