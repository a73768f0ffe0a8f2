//! Headers that are read: how to wait, who asks, and from where.

use http::{HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::world::KEY;

const NAMES: &[&str] = &[
    "x-priority",
    "x-edison-class",
    "x-queue-timeout-ms",
    "x-edison-queue-timeout-ms",
    "x-edison-keep-alive-ms",
    "traceparent",
    "tracestate",
    "accept",
    "accept-encoding",
    "content-type",
    "content-encoding",
    "authorization",
    "x-api-key",
    "x-request-id",
    "x-test-id",
    "anthropic-version",
    "anthropic-beta",
    "origin",
    "host",
    "access-control-request-method",
    "expect",
    "range",
    "cookie",
    "openai-organization",
    "x-forwarded-for",
    "user-agent",
];

const VALUES: &[&str] = &[
    "",
    " ",
    "interactive",
    "normal",
    "background",
    "Normal",
    "0",
    "1",
    "999",
    "1000",
    "60000",
    "-1",
    "+5",
    "1.5",
    "1e3",
    "18446744073709551615",
    "18446744073709551616",
    "٣",
    "*/*",
    "text/event-stream",
    "application/json;q=0",
    "application/json; charset=utf-16",
    "gzip",
    "identity",
    "bearer",
    "Bearer ",
    "Bearer x",
    "Basic YTpi",
    "https://evil.example",
    "http://localhost:3000",
    "null",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-0000000000000000-00",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "00-4bf9-00f0-01",
    "a#1",
    "2023-06-01",
    "bytes=0-",
    "100-continue",
];

/// What the value of a header may be, whether HTTP lets it through or not.
pub(crate) fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => select(VALUES).prop_map(|value| value.as_bytes().to_vec()),
        1 => Just(KEY.as_bytes().to_vec()),
        1 => Just([b"Bearer ", KEY.as_bytes()].concat()),
        2 => vec(any::<u8>(), 0..80),
        1 => (any::<u8>(), 100..9000_usize).prop_map(|(byte, times)| vec![byte; times]),
    ]
}

/// Some headers; most requests have none.
pub(crate) fn headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let value = values().prop_filter_map("bytes that HTTP lets through", |bytes| HeaderValue::from_bytes(&bytes).ok());
    let header = (select(NAMES).prop_map(HeaderName::from_static), value);
    prop_oneof![2 => Just(Vec::new()), 1 => vec(header, 1..5)]
}
