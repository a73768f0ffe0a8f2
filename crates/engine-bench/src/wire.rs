//! As much of HTTP as a load needs: a request on a connection of its own, and its answer in parts.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// An answer that is being read. Whoever drops it leaves.
pub(crate) struct Answer {
    reader: BufReader<TcpStream>,
    chunked: bool,
    unread: String,
    events: VecDeque<Value>,
    is_done: bool,
}

/// Posts JSON.
///
/// # Errors
/// What does not work; an answer that is not 200 with what it says.
pub(crate) fn post(address: &str, path: &str, body: &str) -> Result<Answer, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut connection = TcpStream::connect(address).map_err(text)?;
    connection.set_nodelay(true).map_err(text)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    connection.write_all((head + body).as_bytes()).map_err(text)?;
    let mut reader = BufReader::new(connection);
    let chunked = read_head(&mut reader)?;
    Ok(Answer { reader, chunked, unread: String::new(), events: VecDeque::new(), is_done: false })
}

impl Answer {
    /// The next event of a stream; `None` at its end, which a stream must say with `[DONE]`.
    ///
    /// # Errors
    /// What does not work; an error that the stream tells; an event that is no JSON; a stream that breaks off.
    pub(crate) fn event(&mut self) -> Result<Option<Value>, String> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return if event["error"].is_object() { Err(event.to_string()) } else { Ok(Some(event)) };
            }
            let Some(part) = self.part()? else {
                return if self.is_done { Ok(None) } else { Err("the stream ended without [DONE]".to_owned()) };
            };
            self.unread += &String::from_utf8_lossy(&part);
            while let Some(end) = self.unread.find('\n') {
                let line: String = self.unread.drain(..=end).collect();
                match line.trim().strip_prefix("data: ") {
                    Some("[DONE]") => self.is_done = true,
                    Some(event) => self.events.push_back(
                        serde_json::from_str(event).map_err(|error| format!("{event:?} is no event: {error}"))?,
                    ),
                    None => {}
                }
            }
        }
    }

    /// All of an answer that is no stream.
    ///
    /// # Errors
    /// What does not work.
    pub(crate) fn whole(mut self) -> Result<String, String> {
        let mut whole = Vec::new();
        while let Some(part) = self.part()? {
            whole.extend(part);
        }
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }

    fn part(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.chunked { read_chunk(&mut self.reader) } else { read_rest(&mut self.reader) }
    }
}

/// Reads the head of an answer: whether its body comes in chunks.
fn read_head(reader: &mut BufReader<TcpStream>) -> Result<bool, String> {
    let status = line(reader)?;
    let mut chunked = false;
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    if status.contains(" 200") {
        return Ok(chunked);
    }
    let mut body = String::new();
    let _unreadable = reader.read_to_string(&mut body);
    Err(format!("{status} {body}"))
}

fn line(reader: &mut BufReader<TcpStream>) -> Result<String, String> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => Err("the connection ended early".to_owned()),
        Ok(_) => Ok(line.trim_end().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The next chunk; `None` at the end.
fn read_chunk(reader: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, String> {
    let size = line(reader)?;
    let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
        .map_err(|error| format!("{size:?} is no size of a chunk: {error}"))?;
    let mut chunk = vec![0; size];
    reader.read_exact(&mut chunk).map_err(|error| error.to_string())?;
    if size > 0 {
        line(reader)?;
    }
    Ok((size > 0).then_some(chunk))
}

fn read_rest(reader: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, String> {
    let part = reader.fill_buf().map_err(|error| error.to_string())?.to_vec();
    reader.consume(part.len());
    Ok((!part.is_empty()).then_some(part))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::post;

    /// What a client makes of a stream with this body.
    fn read(body: &'static str) -> Result<usize, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().expect("a client");
            let _request = connection.read(&mut [0; 1024]).expect("a request");
            connection.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).expect("a client that reads");
        });
        let mut answer = post(&address, "/", "{}")?;
        let mut n_events = 0;
        let outcome = loop {
            match answer.event() {
                Ok(Some(_)) => n_events += 1,
                Ok(None) => break Ok(n_events),
                Err(error) => break Err(error),
            }
        };
        server.join().expect("a server that ends");
        outcome
    }

    #[test]
    fn a_stream_is_whole_only_with_its_end_said() {
        assert_eq!(read("data: {}\n\n: a comment\n\ndata: {}\n\ndata: [DONE]\n\n"), Ok(2));
        assert!(read("data: {}\n\n").is_err_and(|error| error.contains("[DONE]")));
        assert!(read("data: {\n\ndata: [DONE]\n\n").is_err_and(|error| error.contains("no event")));
        assert!(read("data: {\"error\":{}}\n\n").is_err_and(|error| error.contains("error")));
    }
}
