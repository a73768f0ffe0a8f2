//! Who is judged: an address, and how connections to it are made.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::Problem;
use crate::tls::Tls;

/// A connection, whatever it is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections to one server.
pub trait Connect: Send + Sync {
    /// Makes a new connection.
    ///
    /// # Errors
    /// What the system says about why there is none.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the connection.
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// A server.
#[derive(Clone)]
pub struct Target {
    connect: Arc<dyn Connect>,
    url: String,
    authority: String,
    /// What stands before `/v1`, without a slash at its end.
    prefix: String,
    api_key: Option<String>,
}

impl Target {
    /// The server at `url`, over TCP, and TLS where it says https. A `/v1` at the end may be there or not.
    ///
    /// # Errors
    /// [`Problem::Url`].
    pub fn at(url: &str, api_key: Option<String>) -> Result<Self, Problem> {
        let problem = |reason: &str| Problem::Url { url: url.to_owned(), reason: reason.to_owned() };
        let uri: Uri = url.trim().parse().map_err(|error| problem(&format!("{error}")))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(problem("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| problem("it names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = is_tls.then(|| Tls::to(&host)).transpose().map_err(|reason| problem(&reason))?;
        let tcp = Tcp { host, port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), tls };
        let target = Self::over(Arc::new(tcp), authority.as_str(), api_key);
        let prefix = uri.path().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches('/').to_owned();
        Ok(Self { prefix, url: url.trim().to_owned(), ..target })
    }

    /// A server that is reached through `connect`. `authority` is the name that it hears in the header `host`.
    pub fn over(connect: Arc<dyn Connect>, authority: &str, api_key: Option<String>) -> Self {
        let url = format!("http://{authority}");
        Self { connect, url, authority: authority.to_owned(), prefix: String::new(), api_key }
    }

    /// The address as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a new connection.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the connection.
    ///
    /// # Errors
    /// What the system says about why there is none.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        self.connect.connect().await
    }

    /// The host, and the port where the address names one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A path of the server, such as `/v1/models`, with what the address puts before it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(crate) fn api_key(&self) -> Option<&str> {
        self.api_key.as_deref()
    }
}

/// The key stays out of logs.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

struct Tcp {
    host: String,
    port: u16,
    tls: Option<Tls>,
}

impl Connect for Tcp {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            // Requests are small, and their times are compared.
            stream.set_nodelay(true)?;
            Ok(match &self.tls {
                Some(tls) => Box::new(tls.over(stream).await?) as Box<dyn Stream>,
                None => Box::new(stream),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn the_version_in_the_path_may_be_there_or_not() {
        for (url, path) in [
            ("http://h:1", "/v1/models"),
            ("http://h:1/", "/v1/models"),
            ("http://h:1/v1", "/v1/models"),
            ("http://h:1/v1/", "/v1/models"),
            ("http://[::1]:1/llm/v1", "/llm/v1/models"),
            ("http://h/llm", "/llm/v1/models"),
        ] {
            assert_eq!(Target::at(url, None).expect(url).path("/v1/models"), path, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for url in ["", "h:1", "127.0.0.1:8811", "ftp://h", "https://a b", "http://", "no address"] {
            let problem = Target::at(url, None).expect_err(url).to_string();
            assert!(problem.contains("write for example http://"), "{problem}");
        }
    }

    #[test]
    fn the_key_is_in_no_log() {
        let target = Target::at("http://h", Some("secret".into())).expect("an address");
        assert!(!format!("{target:?}").contains("secret"));
    }
}
