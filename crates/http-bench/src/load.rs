//! A client that costs little: it writes the same bytes again and again, and reads to the end of each answer.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A POST of JSON to this path.
pub(crate) fn request(path: &str, body: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Answers in a second, over so many connections that each wait for theirs.
///
/// # Errors
/// The connection broke, or an answer was no 200.
pub(crate) async fn rate(to: SocketAddr, request: &[u8], connections: usize, time: Duration) -> Result<f64, String> {
    let begun = Instant::now();
    let counts = try_join_all((0..connections).map(|_| ask_for(to, request, begun, time))).await?;
    let n: usize = counts.iter().sum();
    Ok(n as f64 / begun.elapsed().as_secs_f64())
}

async fn ask_for(to: SocketAddr, request: &[u8], begun: Instant, time: Duration) -> Result<usize, String> {
    let mut connection = connect(to).await?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut n = 0;
    while begun.elapsed() < time {
        connection.write_all(request).await.map_err(|error| error.to_string())?;
        answer(&mut connection, &mut buffer).await?;
        n += 1;
    }
    Ok(n)
}

async fn connect(to: SocketAddr) -> Result<TcpStream, String> {
    let connection = TcpStream::connect(to).await.map_err(|error| format!("{to}: {error}"))?;
    connection.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(connection)
}

/// The event of a token is longer than this.
const EVENT_MIN_BYTES: usize = 100;

/// How long one streamed answer of so many tokens takes.
///
/// # Errors
/// As [`rate`]; an answer that is too short for them. One that breaks off says so in an event, and ends well as HTTP.
pub(crate) async fn stream(to: SocketAddr, request: &[u8], tokens: usize) -> Result<Duration, String> {
    let mut connection = connect(to).await?;
    let begun = Instant::now();
    connection.write_all(request).await.map_err(|error| error.to_string())?;
    let n_bytes = answer(&mut connection, &mut Vec::with_capacity(64 * 1024)).await?;
    let time = begun.elapsed();
    if n_bytes >= tokens * EVENT_MIN_BYTES {
        Ok(time)
    } else {
        Err(format!("{n_bytes} bytes are no answer of {tokens} tokens"))
    }
}

/// Reads one answer, by its length or to its last chunk; returns its bytes.
async fn answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<usize, String> {
    buffer.clear();
    let (mut length, mut is_chunked, mut n_bytes) = (None, false, 0);
    loop {
        let n_read = connection.read_buf(buffer).await.map_err(|error| error.to_string())?;
        if n_read == 0 {
            return Err("the server ended the connection".to_owned());
        }
        n_bytes += n_read;
        if length.is_none() && !is_chunked {
            let Some(end) = find(buffer, b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(format!("not a 200: {head}"));
            }
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            is_chunked = announced.is_none();
            length = announced.and_then(|length| length.parse::<usize>().ok()).map(|length| end + 4 + length);
        }
        let is_over = length.map_or_else(|| buffer.ends_with(b"\r\n0\r\n\r\n"), |length| buffer.len() >= length);
        if is_over {
            return Ok(n_bytes);
        }
        // Of a stream only the end matters.
        if is_chunked && buffer.len() > 32 * 1024 {
            buffer.drain(..buffer.len() - 16);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers;

    /// Method: as many tokens as no answer has where nobody allows for them.
    #[tokio::test]
    async fn an_answer_has_all_its_tokens_and_one_that_has_not_is_refused() {
        let request = request(
            "/v1/chat/completions",
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}"#,
        );
        for server in [servers::bare(Some(5000)).await, servers::whole(1, 5000).await] {
            let server = server.unwrap();
            assert!(stream(server, &request, 5000).await.is_ok());
            assert!(stream(server, &request, 50_000).await.unwrap_err().contains("50000 tokens"));
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_200_is_not_measured() {
        let refused = request("/v1/chat/completions", "{}");
        let server = servers::whole(1, 1).await.unwrap();
        assert!(stream(server, &refused, 0).await.unwrap_err().contains("http/1.1 4"));
    }
}
