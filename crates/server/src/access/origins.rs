//! Which web pages may use the server from a browser.

use std::time::Duration;

use http::header::{HOST, ORIGIN};
use http::{HeaderName, HeaderValue, Method, Request};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders, MaxAge};

/// How long a browser may remember what it was told: as long as browsers do at most, more or less.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// What a page may read of an answer besides its body.
const EXPOSED: [&str; 9] = [
    "x-request-id",
    "x-edison-ticket",
    "x-edison-wait-ms",
    "x-edison-model",
    "retry-after",
    "server-timing",
    "traceparent",
    "www-authenticate",
    "allow",
];

/// The origins of web pages that may use the server. Default: those of this machine, on any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Default for Origins {
    fn default() -> Self {
        Self(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned).into())
    }
}

impl Origins {
    /// Origins as browsers write them, `https://chat.example:8443`; `:*` at the end means any port, and `*` alone every page
    /// there is.
    ///
    /// # Errors
    /// What is no origin, in words.
    pub fn new(origins: Vec<String>) -> Result<Self, String> {
        match origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(Self(origins)),
            Some(wrong) => Err(format!(
                "{wrong:?} is no origin; write https://chat.example or http://localhost:8080, :* for any port, or * for any page"
            )),
        }
    }

    /// As they were given.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.0.iter().any(|allowed| match allowed.strip_suffix(":*") {
            _ if allowed == "*" => true,
            None => allowed == origin,
            Some(host) => origin.strip_prefix(host).is_some_and(|port| port.is_empty() || is_port(port)),
        })
    }

    /// What answers preflights, and tells browsers which pages may read an answer.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = self.clone();
        let allowed = match self.0.iter().any(|origin| origin == "*") {
            true => AllowOrigin::any(),
            false => AllowOrigin::predicate(move |origin, _| origins.allow(origin)),
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            // SDKs send headers of their own, and no header does anything here that a page may not do.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(ExposeHeaders::list(EXPOSED.map(HeaderName::from_static)))
            .max_age(MaxAge::exact(MAX_AGE))
    }

    /// Whether this request may do work. A browser sends a simple POST for any page and only keeps the answer from it, so
    /// without this look every page that somebody visits could keep the models busy.
    pub(crate) fn admit<B>(&self, request: &Request<B>) -> bool {
        let Some(origin) = request.headers().get(ORIGIN) else { return true };
        let is_of_web = [&b"http:"[..], b"https:"].iter().any(|scheme| origin.as_bytes().starts_with(scheme));
        // Extensions and desktop programs have schemes of their own; they were installed, not visited.
        let is_foreign = is_of_web || origin == "null";
        request.method() != Method::POST || !is_foreign || self.allow(origin) || is_own(request, origin)
    }
}

/// Whether the page came from this very server. Only where that was asked for by a number or as `localhost`: a name can be
/// made to point here by whoever owns it, after its page was loaded.
fn is_own<B>(request: &Request<B>, origin: &HeaderValue) -> bool {
    let host = request.uri().authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| request.headers().get(HOST)?.to_str().ok());
    let (Some(host), Ok(origin)) = (host, origin.to_str()) else { return false };
    let Some((_, origin)) = origin.split_once("://") else { return false };
    let Ok(authority) = origin.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    origin.eq_ignore_ascii_case(host) && (name == "localhost" || name.parse::<std::net::IpAddr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return text == "*" };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let authority = rest.strip_suffix(":*").unwrap_or(rest);
    let is_plain = !rest.contains(['/', '?', '#', '@']) && !authority.contains('*');
    is_scheme && is_plain && !authority.is_empty() && authority.parse::<http::uri::Authority>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::Origins;

    fn origins(list: &[&str]) -> Result<Origins, String> {
        Origins::new(list.iter().map(|&origin| origin.to_owned()).collect())
    }

    fn allows(list: &[&str], origin: &'static str) -> bool {
        origins(list).expect("origins").allow(&HeaderValue::from_static(origin))
    }

    #[test]
    fn an_origin_is_allowed_by_name_with_any_port_or_as_one_of_all() {
        assert!(allows(&["https://a.example"], "https://a.example"));
        assert!(!allows(&["https://a.example"], "https://a.example:444"));
        assert!(!allows(&["https://a.example"], "http://a.example"));
        assert!(allows(&["http://localhost:*"], "http://localhost:8080") && allows(&["*"], "null"));
        assert!(allows(&["http://localhost:*"], "http://localhost"));
        for other in ["http://localhost.evil.example", "http://localhost:80.evil.example", "http://localhost:", "null"]
        {
            assert!(!allows(&["http://localhost:*"], other), "{other}");
        }
        assert!(!allows(&[], "http://localhost:8080"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for good in ["*", "https://a.example", "http://[::1]:*", "tauri://localhost", "http://10.0.0.1:8080"] {
            assert!(origins(&[good]).is_ok(), "{good}");
        }
        for bad in
            ["", "a.example", "https://", "https://a.example/", "https://*", "http://a b", "HTTP://a", "http://u@a"]
        {
            assert!(origins(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_of_elsewhere_may_not_make_work() {
        let admits = |method: &str, host: &str, origin: Option<&str>| {
            let mut request = Request::builder().method(method).uri("/chat").header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            Origins::default().admit(&request.body(()).expect("a request"))
        };
        assert!(admits("POST", "127.0.0.1:8811", None), "no browser");
        assert!(admits("POST", "10.0.0.7:8811", Some("http://10.0.0.7:8811")), "a page of ours");
        assert!(admits("POST", "10.0.0.7:8811", Some("http://localhost:8080")), "a page of this machine");
        assert!(admits("POST", "127.0.0.1:8811", Some("vscode-webview://x")), "an installed program");
        assert!(admits("GET", "127.0.0.1:8811", Some("https://evil.example")), "the browser keeps the answer");
        assert!(!admits("POST", "127.0.0.1:8811", Some("https://evil.example")));
        assert!(!admits("POST", "127.0.0.1:8811", Some("null")));
        assert!(!admits("POST", "evil.example:8811", Some("http://evil.example:8811")), "a name that points here");
    }
}
