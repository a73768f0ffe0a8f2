//! Heads of requests as bytes: any method, any target, any headers, from good ones to those that nobody would write.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::body::Slip;
use super::headers::{headers, values};
use super::targets::good;
use super::world;

/// One request as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) bytes: Vec<u8>,
    /// The server serves only those who have its key.
    pub(crate) wants_key: bool,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.bytes.escape_ascii().to_string();
        let (begin, cut) = text.split_at_checked(3000).map_or((text.as_str(), ""), |(begin, _)| (begin, "…"));
        let key = if self.wants_key { ", to a server with keys" } else { "" };
        write!(f, "{} bytes{key}: {begin}{cut}", self.bytes.len())
    }
}

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PRI", "get", "BREW", "M-SEARCH",
    "", "G ET",
];

const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/9.9", "http/1.1", "HTTP/11", "HTTP/", ""];

/// Headers that decide something, whatever is in them.
const READ: &[&str] = &[
    "x-priority",
    "x-queue-timeout-ms",
    "x-edison-keep-alive-ms",
    "traceparent",
    "authorization",
    "x-api-key",
    "x-request-id",
    "x-test-id",
    "origin",
];

/// Names of parameters that some path reads, and others.
const KEYS: &[&str] = &["model", "settle_ms", "fail_on_no_slot", "autoload", "m%6fdel", "", "model[]", "%", "\u{e4}"];

/// What a parameter or a piece of a path may say.
const PIECES: &[&str] = &[
    "m",
    "fast",
    "gone",
    "fast%3Atone",
    "m:m",
    "0",
    "-1",
    "60000",
    "1e9",
    "18446744073709551616",
    "true",
    "null",
    "",
    "%",
    "%00",
    "%zz",
    "%ff%fe",
    "%2e%2e",
    "..",
    ".",
    "a%2Fb",
    "a/b",
    "//",
    "{*id}",
    "{}",
    "*",
    "+",
    "a+b",
    "%F0%9F%98%80",
    "\u{e4}",
    "[]",
    "<script>",
    "'",
    "%0d%0ax:y",
    ";",
    "=",
    "&&",
    "?",
    "#x",
];

/// Requests whose heads are what is wrong with them, if anything is.
pub(crate) fn raws() -> impl Strategy<Value = Raw> {
    // None is the one that the path takes.
    let method = prop_oneof![10 => Just(None), 2 => Just(Some("HEAD")), 3 => select(METHODS).prop_map(Some)];
    let version = prop_oneof![12 => Just("HTTP/1.1"), 1 => select(VERSIONS)];
    let keys = prop_oneof![15 => Just(false), 2 => Just(true)];
    let slips = vec(Slip::any(), 0..2);
    (method, target(), version, lines(), ending(), slips, keys).prop_map(
        |(method, target, version, lines, ending, slips, wants_key)| {
            let path = String::from_utf8_lossy(&target).into_owned();
            let takes_body = world::posts().contains(&path);
            let method = method.unwrap_or(if takes_body { "POST" } else { "GET" });
            let mut bytes = Vec::new();
            bytes.extend_from_slice(method.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&target);
            bytes.extend_from_slice(format!(" {version}\r\n").as_bytes());
            lines.iter().for_each(|line| bytes.extend_from_slice(line));
            // A good body where there is one, so that what is wrong is the head.
            let body = if takes_body && method == "POST" { good(&path)[0].to_string() } else { String::new() };
            bytes.extend_from_slice(ending.replace("LENGTH", &body.len().to_string()).as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            slips.iter().for_each(|slip| slip.apply(&mut bytes));
            Raw { bytes, wants_key }
        },
    )
}

/// A path that is served, changed or not, as it stands or behind a host, with a query or without.
fn target() -> impl Strategy<Value = Vec<u8>> {
    let path = select(world::paths()).prop_flat_map(|path| {
        let piece = piece();
        let tail = prop_oneof![10 => Just(Vec::new()), 1 => piece.prop_map(|piece| [b"/", &piece[..]].concat())];
        (Just(path), self::piece(), tail).prop_map(|(path, piece, tail)| {
            let (before, after) =
                path.split_once('{').map_or((path.as_str(), None), |(before, after)| (before, Some(after)));
            let filled = after.map_or_else(Vec::new, |_| piece);
            [before.as_bytes(), &filled, &tail].concat()
        })
    });
    let path = prop_oneof![8 => path, 1 => vec(any::<u8>(), 0..40), 1 => piece()];
    let host =
        select(&["", "", "", "", "", "", "http://h", "https://h:1", "http://", "http://u@[::1]:80", "x:", "h:80"][..]);
    let query = prop_oneof![2 => Just(Vec::new()), 3 => query()];
    let long = prop_oneof![60 => Just(0), 1 => 1000..70_000_usize];
    (host, path, query, long)
        .prop_map(|(host, path, query, long)| [host.as_bytes(), &path, &query, &vec![b'a'; long]].concat())
}

fn query() -> impl Strategy<Value = Vec<u8>> {
    let pair = (select(KEYS), select(&["=", "", "=="][..]), piece());
    vec(pair, 0..4).prop_map(|pairs| {
        let written = pairs.iter().map(|(key, is, value)| [key.as_bytes(), is.as_bytes(), value].concat());
        [b"?".to_vec(), written.collect::<Vec<_>>().join(&b'&')].concat()
    })
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..30)]
}

/// Lines of headers: those that are read, with their odd values, and lines that are none.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = headers().prop_map(|headers| {
        headers
            .iter()
            .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())
            .collect()
    });
    let odd = select(
        &[
            "x y: z\r\n",
            ": z\r\n",
            "no colon\r\n",
            " folded\r\n",
            "host: a\r\nhost: b\r\n",
            "x:\0\r\n",
            "x: \n",
            "\r",
            "x: y\n",
            "transfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: -1\r\n",
            "content-length: 18446744073709551616\r\n",
            "connection: upgrade\r\nupgrade: h2c\r\n",
            "expect: 100-continue\r\n",
            "x-test-id: a\r\n",
            "x-test-id: \u{e4}\r\n",
            "te: trailers\r\n",
        ][..],
    );
    let odd = odd.prop_map(|line| vec![line.as_bytes().to_vec()]);
    let raw =
        (select(READ), values()).prop_map(|(name, value)| vec![[name.as_bytes(), b": ", &value, b"\r\n"].concat()]);
    let many = (100..300_usize).prop_map(|n| vec![b"a: b\r\n".to_vec(); n]);
    prop_oneof![8 => known, 3 => odd, 8 => raw, 1 => many]
}

/// The rest of the head, or what should be.
fn ending() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        20 => Just("host: h\r\nconnection: close\r\ncontent-length: LENGTH\r\n\r\n"),
        2 => select(&[
            "host: h\r\n\r\n",
            "connection: close\r\n\r\n",
            "host: h\r\nconnection: close\r\ncontent-length: LENGTH9\r\n\r\n",
            "host: h\r\n",
            "host: h\r\n\r\nGET /health HTTP/1.1\r\nhost: h\r\n\r\n",
            "",
        ][..]),
    ]
}
