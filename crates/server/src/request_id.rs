//! The id that names a request in every answer, log line and view.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LEN_MAX: usize = 128;

/// One request's id: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's, or else one of ours.
    pub(crate) fn of(headers: &HeaderMap, ids: &RequestIds) -> Self {
        Self::from_client(headers).unwrap_or_else(|| ids.next())
    }

    /// The id that the client chose, if it is one that can stand in a log line and a header.
    fn from_client(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(HEADER)?.to_str().ok()?;
        let fits = (1..=LEN_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(id.into()))
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id is visible ASCII")
    }
}

/// Makes ids: a prefix that tells processes apart, and a number that rises. A cheap handle.
#[derive(Debug, Clone)]
pub struct RequestIds(Arc<Numbering>);

#[derive(Debug)]
struct Numbering {
    prefix: String,
    last: AtomicU64,
}

impl RequestIds {
    /// Ids that no other process makes, as far as chance allows.
    #[expect(clippy::disallowed_methods, reason = "the one home of chance in this crate; tests use with_prefix")]
    pub fn random() -> Self {
        let chance = RandomState::new().build_hasher().finish();
        Self::with_prefix(&format!("{:012x}", chance >> 16))
    }

    /// Ids that are the same in every run: `prefix-1`, `prefix-2`, and so on.
    ///
    /// # Panics
    /// If the prefix has other characters than visible ASCII ones, or more than 100.
    pub fn with_prefix(prefix: &str) -> Self {
        assert!(prefix.len() <= 100 && prefix.bytes().all(|byte| byte.is_ascii_graphic()), "prefix {prefix:?}");
        Self(Arc::new(Numbering { prefix: prefix.to_owned(), last: AtomicU64::new(0) }))
    }

    /// The next id, for somebody who has to know it before the request is made.
    #[cfg(feature = "mock")]
    pub(crate) fn next_id(&self) -> String {
        self.next().as_str().to_owned()
    }

    fn next(&self) -> RequestId {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed) + 1;
        RequestId(format!("{}-{number}", self.0.prefix).into())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{HEADER, RequestId, RequestIds};

    fn taken(id: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(id).expect("a header value"));
        RequestId::from_client(&headers).map(|id| id.as_str().to_owned())
    }

    #[test]
    fn an_id_of_visible_ascii_is_taken_from_the_client() {
        assert_eq!(taken(b"order-17/b").as_deref(), Some("order-17/b"));
        assert_eq!(taken(&[b'x'; 128]).map(|id| id.len()), Some(128));
    }

    /// Anything else would have to be escaped in logs, or could not go back in a header.
    #[test]
    fn other_ids_are_not_taken() {
        for id in [&b""[..], b"two words", b"tab\there", "gr\u{fc}n".as_bytes(), &[b'x'; 129]] {
            assert_eq!(taken(id), None, "{id:?}");
        }
        assert_eq!(RequestId::from_client(&HeaderMap::new()), None);
    }

    #[test]
    fn ids_of_one_process_rise_and_two_processes_differ() {
        let ids = RequestIds::with_prefix("t");
        assert_eq!((ids.next().as_str(), ids.clone().next().as_str()), ("t-1", "t-2"));
        assert_ne!(RequestIds::random().next(), RequestIds::random().next());
    }
}
