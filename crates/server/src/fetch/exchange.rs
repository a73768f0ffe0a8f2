//! One question to one host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Fetching;
use super::network::Pipe;
use super::place::Place;

/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;

/// How long each of them may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of an answer's headers at most.
const HEADERS_MAX_BYTES: usize = 64 * 1024;

/// What a host answers.
pub(super) enum Exchange {
    File(Bytes),
    /// It is not here; what the host said of where it is.
    Elsewhere(String),
}

impl Fetching {
    /// Asks for what is at a place.
    pub(super) async fn exchange(&self, place: &Place, max_bytes: usize) -> Result<Exchange, String> {
        let pipe = self.connect(place).await?;
        let handshake = http1::Builder::new().max_buf_size(HEADERS_MAX_BYTES).handshake(TokioIo::new(pipe)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
        // It ends with whoever wanted the answer, in the middle of it if need be.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request(place)?).await.map_err(|error| broken(&error))?;
        match response.status() {
            StatusCode::OK => Ok(Exchange::File(body(response, max_bytes).await?)),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                location
                    .map(|to| Exchange::Elsewhere(to.to_owned()))
                    .ok_or_else(|| "a redirect leads nowhere".to_owned())
            }
            status => Err(format!("the host answered with {}", status.as_u16())),
        }
    }

    /// A connection to an address that was looked at.
    async fn connect(&self, place: &Place) -> Result<Box<dyn Pipe>, String> {
        let addresses = match place.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            // Not told apart from the next: it would tell which names there are where only this server can look.
            Err(_) => self.network.resolve(&place.host).await.unwrap_or_default(),
        };
        let admitted: Vec<IpAddr> = addresses.into_iter().filter(|address| self.network.admits(*address)).collect();
        if admitted.is_empty() {
            return Err("its host has no public address, and others are not fetched from".to_owned());
        }
        let mut why = String::new();
        for address in admitted.into_iter().take(ADDRESSES_MAX) {
            let address = SocketAddr::new(address, place.port);
            match timeout(CONNECT_TIMEOUT, self.network.connect(address)).await {
                Ok(Ok(pipe)) if place.is_tls => return self.trust.over(pipe, &place.host).await,
                Ok(Ok(pipe)) => return Ok(pipe),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = "it does not answer".to_owned(),
            }
        }
        Err(format!("its host could not be reached: {why}"))
    }
}

fn request(place: &Place) -> Result<Request<Empty<Bytes>>, String> {
    Request::get(place.target.as_str())
        .header(HOST, place.authority.as_str())
        .header(USER_AGENT, concat!("edison/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "image/png, image/jpeg, image/webp, image/gif, image/bmp, */*;q=0.1")
        // A picture is packed already, and a file that unpacks to a thousand times its size would not be one.
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| error.to_string())
}

async fn body(response: Response<Incoming>, max_bytes: usize) -> Result<Bytes, String> {
    let too_large = || format!("it has more than {max_bytes} bytes");
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    match Limited::new(response.into_body(), max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(format!("the connection broke: {error}")),
    }
}

fn broken(error: &hyper::Error) -> String {
    format!("the host does not speak HTTP: {error}")
}
