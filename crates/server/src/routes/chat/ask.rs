//! Who asks, how it wants to wait, and the requests of the service that come of it.

use std::time::Duration;

use backend::Prompt;
use http::HeaderMap;
use http::request::Parts;
use serving::{Class, EmbedRequest, Generation, Input, Refusal, Request, Service};

use crate::connection::Peer;
use crate::error::ApiError;
use crate::limits::{HttpLimits, KEEP_ALIVE_MIN};
use crate::request_id::RequestId;
use crate::validate::{Asked, BadRequest};
use crate::wire::names::class_name;

const CLASS: &str = "x-edison-class";
const QUEUE_TIMEOUT: &str = "x-edison-queue-timeout-ms";
const KEEP_ALIVE: &str = "x-edison-keep-alive-ms";

/// The names that other servers know; what says `edison` wins.
const CLASS_ELSEWHERE: &str = "x-priority";
const QUEUE_TIMEOUT_ELSEWHERE: &str = "x-queue-timeout-ms";

/// How a client wants to wait. The protocol has no words for it, so headers say it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// `None` where it does not say.
    class: Option<Class>,
    queue_timeout: Option<Duration>,
    /// How long it wants to hear nothing at most, at least [`KEEP_ALIVE_MIN`].
    keep_alive: Option<Duration>,
}

pub(super) fn hints(headers: &HeaderMap) -> Result<Hints, BadRequest> {
    let class = headers.get(CLASS).or_else(|| headers.get(CLASS_ELSEWHERE)).map(|value| {
        let class = Class::ALL.into_iter().find(|class| value == class_name(*class));
        class.ok_or_else(|| BadRequest::field(CLASS, format!("{CLASS} must be interactive, normal or background")))
    });
    let class = class.transpose()?;
    let queue_timeout = millis(headers, &[QUEUE_TIMEOUT, QUEUE_TIMEOUT_ELSEWHERE])?;
    let keep_alive = millis(headers, &[KEEP_ALIVE])?;
    if keep_alive.is_some_and(|time| time < KEEP_ALIVE_MIN) {
        let message = format!("{KEEP_ALIVE} must be {} or more", KEEP_ALIVE_MIN.as_millis());
        return Err(BadRequest::field(KEEP_ALIVE, message));
    }
    Ok(Hints { class, queue_timeout, keep_alive })
}

/// The first of these headers that is there.
fn millis(headers: &HeaderMap, names: &[&'static str]) -> Result<Option<Duration>, BadRequest> {
    let Some((name, value)) = names.iter().find_map(|&name| Some((name, headers.get(name)?))) else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok());
    let millis = millis.ok_or_else(|| BadRequest::field(name, format!("{name} must be milliseconds")))?;
    Ok(Some(Duration::from_millis(millis)))
}

/// Who asks for something that needs a model.
#[derive(Debug)]
pub(crate) struct Caller {
    id: RequestId,
    client: Option<String>,
    hints: Hints,
}

impl Caller {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// [`ApiError::Crowded`] on a connection that is only there to be told so, and headers that say nothing known.
    pub(crate) fn of(head: &Parts) -> Result<Self, ApiError> {
        let peer = head.extensions.get::<Peer>().cloned().unwrap_or_default();
        if peer.is_crowded {
            return Err(ApiError::Crowded);
        }
        let id = head.extensions.get::<RequestId>().cloned().expect("every request was given an id");
        Ok(Self { id, client: peer.client, hints: hints(&head.headers)? })
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Who that is, where it is known.
    pub(crate) fn client(&self) -> Option<String> {
        self.client.clone()
    }

    /// The class that it asks for, or else this one.
    pub(crate) fn class_or(&self, usual: Class) -> Class {
        self.hints.class.unwrap_or(usual)
    }

    /// How long it wants to wait for a lane at most.
    pub(crate) fn queue_timeout(&self) -> Option<Duration> {
        self.hints.queue_timeout
    }

    /// How long a streamed answer may say nothing before the client is told where its request is.
    pub(crate) fn keep_alive(&self, limits: &HttpLimits) -> Option<Duration> {
        self.hints.keep_alive.or(limits.keep_alive)
    }

    /// The request for one choice of an answer, from 0. The first one has the caller's own id, and each its own seed.
    pub(crate) fn request(&self, asked: &Asked, choice: u32, prompt: Prompt) -> Request {
        // Without a seed of its own every request gets another one, and the same request id gets the same again:
        // an answer can be had once more without a source of chance in the server.
        let mut options = asked.options.clone();
        options.sampling.seed = asked.seed.unwrap_or_else(|| hash(self.id())).wrapping_add(choice);
        Request {
            id: if choice == 0 { self.id().to_owned() } else { format!("{}#{choice}", self.id()) },
            client: self.client(),
            model: asked.model.clone(),
            class: self.class_or(Class::default()),
            prompt,
            options,
            max_tokens: asked.max_tokens,
            queue_timeout: self.queue_timeout(),
        }
    }

    /// Submits that request for a prompt that may be tokens already.
    ///
    /// # Errors
    /// As [`Service::submit`].
    pub(crate) fn submit(
        &self,
        service: &Service,
        asked: &Asked,
        choice: u32,
        input: Input,
    ) -> Result<Generation, Refusal> {
        match input {
            Input::Prompt(prompt) => service.submit(self.request(asked, choice, prompt)),
            Input::Tokens(tokens) => {
                service.submit_tokens(self.request(asked, choice, Prompt::Text(String::new())), tokens)
            }
        }
    }

    /// The request for embeddings of these inputs.
    pub(crate) fn embed(&self, model: String, inputs: Vec<Input>) -> EmbedRequest {
        let (class, queue_timeout) = (self.class_or(Class::default()), self.queue_timeout());
        EmbedRequest { id: self.id().to_owned(), client: self.client(), model, class, inputs, queue_timeout }
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

    use super::{CLASS, Hints, KEEP_ALIVE, QUEUE_TIMEOUT, hash, hints};

    fn read(name: &'static str, value: &'static str) -> Result<Hints, Option<String>> {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]);
        hints(&headers).map_err(|error| error.param)
    }

    #[test]
    fn headers_say_how_to_wait() {
        let usual = Hints { class: None, queue_timeout: None, keep_alive: None };
        assert_eq!(hints(&HeaderMap::new()).as_ref(), Ok(&usual));
        assert_eq!(read(CLASS, "background"), Ok(Hints { class: Some(Class::Background), ..Hints::default() }));
        let time = Some(Duration::from_millis(1500));
        assert_eq!(read(QUEUE_TIMEOUT, "1500"), Ok(Hints { queue_timeout: time, ..Hints::default() }));
        assert_eq!(read(KEEP_ALIVE, "1500"), Ok(Hints { keep_alive: time, ..Hints::default() }));
        assert_eq!(read("x-queue-timeout-ms", "1500"), Ok(Hints { queue_timeout: time, ..Hints::default() }));
        assert_eq!(read("x-priority", "background").map(|hints| hints.class), Ok(Some(Class::Background)));
    }

    #[test]
    fn a_header_that_says_nothing_known_is_refused_by_name() {
        assert_eq!(read(CLASS, "urgent"), Err(Some(CLASS.into())));
        assert_eq!(read(QUEUE_TIMEOUT, "-1"), Err(Some(QUEUE_TIMEOUT.into())));
        assert_eq!(read(QUEUE_TIMEOUT, "soon"), Err(Some(QUEUE_TIMEOUT.into())));
        // A comment for every token would be a way to fill the network with one request.
        assert_eq!(read(KEEP_ALIVE, "999"), Err(Some(KEEP_ALIVE.into())));
    }

    #[test]
    fn seeds_from_ids_are_the_published_hash() {
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("a"), 0xe40c_292c);
    }
}
