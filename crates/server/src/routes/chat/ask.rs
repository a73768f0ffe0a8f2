//! From a chat to a request of the service, with what its headers say about waiting.

use std::time::Duration;

use backend::Prompt;
use http::HeaderMap;
use serving::{Class, Request};

use crate::request_id::RequestId;
use crate::validate::{BadRequest, Chat};
use crate::wire::names::class_name;

const CLASS: &str = "x-edison-class";
const QUEUE_TIMEOUT: &str = "x-edison-queue-timeout-ms";

/// The names that other servers know; what says `edison` wins.
const CLASS_ELSEWHERE: &str = "x-priority";
const QUEUE_TIMEOUT_ELSEWHERE: &str = "x-queue-timeout-ms";

/// How a client wants to wait. The protocol has no words for it, so headers say it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    class: Class,
    queue_timeout: Option<Duration>,
}

pub(super) fn hints(headers: &HeaderMap) -> Result<Hints, BadRequest> {
    let class = match headers.get(CLASS).or_else(|| headers.get(CLASS_ELSEWHERE)) {
        None => Class::default(),
        Some(value) => Class::ALL
            .into_iter()
            .find(|class| value == class_name(*class))
            .ok_or_else(|| BadRequest::field(CLASS, format!("{CLASS} must be interactive, normal or background")))?,
    };
    let queue_timeout = match headers.get(QUEUE_TIMEOUT).or_else(|| headers.get(QUEUE_TIMEOUT_ELSEWHERE)) {
        None => None,
        Some(value) => {
            let millis = value.to_str().ok().and_then(|text| text.parse().ok());
            let millis = millis
                .ok_or_else(|| BadRequest::field(QUEUE_TIMEOUT, format!("{QUEUE_TIMEOUT} must be milliseconds")))?;
            Some(Duration::from_millis(millis))
        }
    };
    Ok(Hints { class, queue_timeout })
}

pub(super) fn request(chat: Chat, hints: Hints, id: &RequestId, client: Option<String>) -> Request {
    // Without a seed of its own every request gets another one, and the same request id gets the same again:
    // an answer can be had once more without a source of chance in the server.
    let mut options = chat.options;
    options.sampling.seed = chat.seed.unwrap_or_else(|| hash(id.as_str()));
    Request {
        id: id.as_str().to_owned(),
        client,
        model: chat.model,
        class: hints.class,
        prompt: Prompt::Chat(chat.conversation),
        options,
        max_tokens: chat.max_tokens,
        queue_timeout: hints.queue_timeout,
    }
}

/// FNV-1a: the same on every machine and in every version, which the standard hasher does not promise.
pub(crate) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};
    use serving::Class;

    use super::{CLASS, Hints, QUEUE_TIMEOUT, hash, hints};

    fn read(name: &'static str, value: &'static str) -> Result<Hints, Option<String>> {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]);
        hints(&headers).map_err(|error| error.param)
    }

    #[test]
    fn headers_say_how_to_wait() {
        assert_eq!(hints(&HeaderMap::new()), Ok(Hints { class: Class::Normal, queue_timeout: None }));
        let background = Hints { class: Class::Background, queue_timeout: None };
        assert_eq!(read(CLASS, "background"), Ok(background));
        let short = Hints { class: Class::Normal, queue_timeout: Some(Duration::from_millis(1500)) };
        assert_eq!(read(QUEUE_TIMEOUT, "1500").as_ref(), Ok(&short));
        assert_eq!(read("x-queue-timeout-ms", "1500"), Ok(short));
        assert_eq!(read("x-priority", "background").map(|hints| hints.class), Ok(Class::Background));
    }

    #[test]
    fn a_header_that_says_nothing_known_is_refused_by_name() {
        assert_eq!(read(CLASS, "urgent"), Err(Some(CLASS.into())));
        assert_eq!(read(QUEUE_TIMEOUT, "-1"), Err(Some(QUEUE_TIMEOUT.into())));
        assert_eq!(read(QUEUE_TIMEOUT, "soon"), Err(Some(QUEUE_TIMEOUT.into())));
    }

    #[test]
    fn seeds_from_ids_are_the_published_hash() {
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("a"), 0xe40c_292c);
    }
}
