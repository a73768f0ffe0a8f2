//! The bounds of the HTTP side, by name.

use std::time::Duration;

/// What one client may take from all the others. Every default is in the doc of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's body. One more is answered with 413. Default 4 MiB.
    pub body_max_bytes: usize,
    /// How long a body may take to arrive. Then it is answered with 408. Default 30 s.
    pub body_read_timeout: Duration,
    /// Bytes of a request's headers, at least [`HEADERS_MIN_BYTES`]. More is answered with 431. Default 32 KiB.
    pub headers_max_bytes: usize,
    /// How long a connection may go without a complete request, from its beginning or since its last answer. Then
    /// it is closed. Default 60 s.
    pub header_read_timeout: Duration,
    /// How long a client may go without taking anything that is written to it. Then the connection is closed.
    /// Default 60 s.
    pub write_timeout: Duration,
    /// Connections at one time. A few more are taken, and get 503 for whatever needs a model. Default 512.
    pub connections_max: usize,
    /// Requests at one time on one HTTP/2 connection. Default 100.
    pub streams_max: u32,
    /// How long requests may go on after the server was asked to stop. Default 30 s.
    pub drain_timeout: Duration,
}

/// The smallest buffer for headers that the HTTP implementation takes.
pub const HEADERS_MIN_BYTES: usize = 8 * 1024;

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_max_bytes: 4 * 1024 * 1024,
            body_read_timeout: Duration::from_secs(30),
            headers_max_bytes: 32 * 1024,
            header_read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            connections_max: 512,
            streams_max: 100,
            drain_timeout: Duration::from_secs(30),
        }
    }
}
