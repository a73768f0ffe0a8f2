//! Notices that a client has left, whatever it sent before.
//!
//! While an HTTP/1.1 request is under way, hyper reads on only as long as nothing lies behind the request: with a single
//! byte there, such as a stray line break or the beginning of the next request, it would see the end of the connection
//! only after the answer. So somebody else reads on, into a small buffer that hyper finds first.
//!
//! A client that ends its side after its request and goes on reading is taken for gone, too, unless its answer is there
//! already: over TCP it looks the same as one that has left, and an answer that nobody reads would hold the model.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use crate::under_way::Requests;

/// Bytes behind a request that are read before they are asked for. The end of the connection is not seen behind more.
const AHEAD_MAX: usize = 16 * 1024;

/// Bytes that are read at one time.
const STEP: usize = 2 * 1024;

/// Splits the reading side into one that is read as before, and one that notices its end.
pub(crate) fn read_ahead<IO>(io: IO) -> (Reader<IO>, Lookout<IO>) {
    let ahead = Ahead { io, bytes: BytesMut::new(), end: None, reader: None, lookout: None };
    let shared = Arc::new(Mutex::new(ahead));
    (Reader(Arc::clone(&shared)), Lookout(shared))
}

/// What both sides share. The lock is held while the connection is polled, which never blocks.
struct Ahead<IO> {
    io: IO,
    /// Read, and not asked for yet; at most [`AHEAD_MAX`].
    bytes: BytesMut,
    /// How the connection ended, once it has. It comes behind `bytes`.
    end: Option<Result<(), io::ErrorKind>>,
    /// Whoever waits for bytes.
    reader: Option<Waker>,
    /// Whoever waits for the end, or for room for more bytes.
    lookout: Option<Waker>,
}

/// The reading side of the connection.
pub(crate) struct Reader<IO>(Arc<Mutex<Ahead<IO>>>);

/// Looks out for the end of the connection.
pub(crate) struct Lookout<IO>(Arc<Mutex<Ahead<IO>>>);

impl<IO: AsyncRead + Unpin> AsyncRead for Reader<IO> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (polled, lookout) = lock(&self.0).take(context, buffer);
        // After unlocking: whoever is woken may come at once.
        if let Some(lookout) = lookout {
            lookout.wake();
        }
        polled
    }
}

impl<IO: AsyncRead + Unpin> Lookout<IO> {
    /// Resolves when the other side ends the connection while a request is under way.
    ///
    /// # Cancel safety
    /// What was read stays in the buffer when the future is dropped.
    pub(crate) async fn gone(&self, requests: &Requests) {
        loop {
            requests.some().await;
            tokio::select! {
                biased;
                // Between requests the end is an orderly one, and the reader's to see.
                () = requests.none() => {}
                () = poll_fn(|context| self.poll_end(context)) => return,
            }
        }
    }

    fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        let (polled, reader) = lock(&self.0).look(context);
        if let Some(reader) = reader {
            reader.wake();
        }
        polled
    }
}

impl<IO: AsyncRead + Unpin> Ahead<IO> {
    /// What was read ahead, or else what can be read now; and whom to tell.
    fn take(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> (Poll<io::Result<()>>, Option<Waker>) {
        if !self.bytes.is_empty() {
            let length = self.bytes.len().min(buffer.remaining());
            buffer.put_slice(&self.bytes[..length]);
            self.bytes.advance(length);
            return (Poll::Ready(Ok(())), self.lookout.take());
        }
        if let Some(end) = self.end {
            return (Poll::Ready(end.map_err(io::Error::from)), None);
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        match &polled {
            Poll::Pending => self.reader = Some(context.waker().clone()),
            Poll::Ready(Ok(())) if buffer.filled().len() > before || buffer.remaining() == 0 => {}
            Poll::Ready(Ok(())) => self.end = Some(Ok(())),
            Poll::Ready(Err(error)) => self.end = Some(Err(error.kind())),
        }
        // The connection remembers the last one who waited, which was us; the other one has to look again.
        let lookout = if polled.is_ready() { self.lookout.take() } else { None };
        (polled, lookout)
    }

    /// Reads on until the end, or until there is no room; and whom to tell.
    fn look(&mut self, context: &mut Context<'_>) -> (Poll<()>, Option<Waker>) {
        let before = self.bytes.len();
        let polled = self.read_on(context);
        if polled.is_pending() {
            self.lookout = Some(context.waker().clone());
        }
        let is_news = polled.is_ready() || self.bytes.len() > before;
        (polled, if is_news { self.reader.take() } else { None })
    }

    fn read_on(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() {
            if self.bytes.len() + STEP > AHEAD_MAX {
                return Poll::Pending;
            }
            let mut step = [0; STEP];
            let mut step = ReadBuf::new(&mut step);
            match ready!(Pin::new(&mut self.io).poll_read(context, &mut step)) {
                Ok(()) if step.filled().is_empty() => self.end = Some(Ok(())),
                Ok(()) => self.bytes.extend_from_slice(step.filled()),
                Err(error) => self.end = Some(Err(error.kind())),
            }
        }
        Poll::Ready(())
    }
}

/// A panic while the lock was held was a panic of the connection; what is left is still in order.
fn lock<IO>(shared: &Mutex<Ahead<IO>>) -> MutexGuard<'_, Ahead<IO>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{AHEAD_MAX, read_ahead};
    use crate::under_way::Requests;

    #[tokio::test]
    async fn the_end_is_seen_behind_bytes_that_nobody_asked_for_and_they_are_still_there() {
        let (near, mut far) = duplex(64);
        let (mut reader, lookout) = read_ahead(near);
        let requests = Requests::default();
        far.write_all(b"\r\nGET").await.expect("it fits the pipe");
        drop(far);
        let _under_way = requests.begin();
        lookout.gone(&requests).await;
        let mut read = String::new();
        reader.read_to_string(&mut read).await.expect("an orderly end");
        assert_eq!(read, "\r\nGET");
    }

    /// Method: the lookout reads until its buffer is full, and goes on when the reader has taken something.
    #[tokio::test]
    async fn no_more_than_the_buffer_is_read_ahead_and_no_byte_is_lost() {
        let (near, mut far) = duplex(1 << 20);
        let (mut reader, lookout) = read_ahead(near);
        let requests = Requests::default();
        let sent: Vec<u8> = (0..4 * AHEAD_MAX).map(|byte| byte as u8).collect();
        far.write_all(&sent).await.expect("it fits the pipe");
        drop(far);
        let _under_way = requests.begin();
        let mut gone = std::pin::pin!(lookout.gone(&requests));
        assert!(futures_util::poll!(gone.as_mut()).is_pending(), "the end lies behind a full buffer");
        assert!(super::lock(&reader.0).bytes.len() <= AHEAD_MAX);
        let mut read = Vec::new();
        let (_, result) = tokio::join!(gone, reader.read_to_end(&mut read));
        assert!(result.is_ok() && read == sent, "{result:?}, {} bytes", read.len());
    }

    #[tokio::test]
    async fn between_requests_nothing_is_read_ahead() {
        let (near, mut far) = duplex(64);
        let (reader, lookout) = read_ahead(near);
        far.write_all(b"GET").await.expect("it fits the pipe");
        drop(far);
        let requests = Requests::default();
        assert!(futures_util::poll!(std::pin::pin!(lookout.gone(&requests))).is_pending());
        assert!(super::lock(&reader.0).bytes.is_empty());
    }
}
