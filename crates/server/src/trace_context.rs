//! W3C Trace Context: the trace that a request belongs to, taken from its client and told in logs and in the answer.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// One request's place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// 32 hexadecimal digits, not all 0.
    trace_id: String,
    /// Of the request's own span: 16 hexadecimal digits, not all 0.
    span_id: String,
    is_sampled: bool,
}

impl TraceContext {
    /// The trace that the client names, with a span of its own for this request. `None` where it names none, or not as the
    /// standard says: then it is to be passed over.
    pub(crate) fn of(headers: &HeaderMap, request_id: &str) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let mut parts = value.to_str().ok()?.split('-');
        let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may have more parts, the first one may not.
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let is_id = |text: &str, len| is_hex(text, len) && text.bytes().any(|digit| digit != b'0');
        if !is_known || !is_id(trace_id, 32) || !is_id(parent, 16) || !is_hex(flags, 2) {
            return None;
        }
        let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        Some(Self { trace_id: trace_id.to_owned(), span_id: span_id(parent, request_id), is_sampled })
    }

    /// For log lines.
    pub(crate) fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// For the answer: the trace, and the request's own span.
    pub(crate) fn header_value(&self) -> HeaderValue {
        let Self { trace_id, span_id, is_sampled } = self;
        let text = format!("00-{trace_id}-{span_id}-{:02x}", u8::from(*is_sampled));
        HeaderValue::try_from(text).expect("hexadecimal digits are visible ASCII")
    }
}

/// Unique as far as request ids are, without a source of chance.
fn span_id(parent: &str, request_id: &str) -> String {
    let digest = blake3::hash(format!("{parent} {request_id}").as_bytes());
    let (id, _) = digest.as_bytes().split_first_chunk().expect("a digest has more than 8 bytes");
    format!("{:016x}", u64::from_be_bytes(*id).max(1))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{HEADER, TraceContext};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn taken(value: &str) -> Option<TraceContext> {
        let value = HeaderValue::from_str(value).expect("a header value");
        TraceContext::of(&HeaderMap::from_iter([(HEADER, value)]), "r-1")
    }

    #[test]
    fn the_trace_goes_on_in_a_span_of_its_own() {
        let context = taken(&format!("00-{TRACE}-00f067aa0ba902b7-01")).expect("as the standard says");
        let answer = context.header_value();
        let answer = answer.to_str().expect("ASCII");
        let parts: Vec<_> = answer.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts[3]), ("00", TRACE, 16, "01"));
        assert_ne!(parts[2], "00f067aa0ba902b7");
        assert_eq!(context.trace_id(), TRACE);
        let later = taken(&format!("01-{TRACE}-00f067aa0ba902b7-02-more")).expect("a later version");
        assert!(later.header_value().to_str().expect("ASCII").ends_with("-00"), "only the bit that is known");
    }

    #[test]
    fn what_is_not_as_the_standard_says_is_passed_over() {
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-00f067aa0ba902b-01"),
        ] {
            assert_eq!(taken(&value), None, "{value}");
        }
        let two = HeaderValue::from_str(&format!("00-{TRACE}-00f067aa0ba902b7-01")).expect("a header value");
        let mut headers = HeaderMap::new();
        headers.append(HEADER, two.clone());
        headers.append(HEADER, two);
        assert_eq!(TraceContext::of(&headers, "r-1"), None, "two say nothing");
    }
}
