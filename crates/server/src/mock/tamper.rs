//! What a script does to an answer on its way: cut the connection, or write what cannot be read.

use std::io;
use std::task::{Context, Poll};

use axum::body::Bytes;
use backend_mock::Wire;

/// What stands where an event of a stream is not JSON.
const MALFORMED: &[u8] = b"data: {\"id\":\"chatcmpl-\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"del\n\n";

/// How often a cut waits for a turn: what was passed before is written meanwhile.
const TURNS: u8 = 3;

/// What happens to one answer.
#[derive(Debug)]
pub(super) struct Tamper {
    what: What,
    /// Of a stream: events that still pass. Of an answer in one piece: `None`.
    left: Option<u64>,
    is_spent: bool,
    turns: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Nothing,
    Cut,
    Spoil,
}

impl Tamper {
    /// What these faults do to a stream of which so many events only begin it, or to an answer in one piece.
    pub(super) fn new<'a>(wires: impl IntoIterator<Item = &'a Wire>, preamble: Option<u64>) -> Self {
        let (what, events) = wires
            .into_iter()
            .find_map(|wire| match wire {
                Wire::Disconnect { events } => Some((What::Cut, *events)),
                Wire::Malformed { events } => Some((What::Spoil, *events)),
                _ => None,
            })
            .unwrap_or((What::Nothing, 0));
        let left = preamble.map(|preamble| u64::from(events) + preamble);
        Self { what, left, is_spent: false, turns: TURNS }
    }

    pub(super) fn is_harmless(&self) -> bool {
        self.what == What::Nothing
    }

    /// The name of what is done, for the journal.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.what {
            What::Nothing => None,
            What::Cut => Some("disconnect"),
            What::Spoil => Some("malformed"),
        }
    }

    /// Whether the answer ends here.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// What becomes of a piece of the answer.
    pub(super) fn pass(&mut self, data: Bytes) -> Bytes {
        if self.is_harmless() {
            return data;
        }
        let Some(left) = &mut self.left else {
            self.is_spent = true;
            return data.slice(..data.len() / 2);
        };
        let mut at = 0;
        while *left > 0 {
            let Some(end) = data[at..].windows(2).position(|two| two == b"\n\n") else { return data };
            at += end + 2;
            *left -= 1;
        }
        self.is_spent = true;
        let passed = data.slice(..at);
        if self.what == What::Cut { passed } else { [&passed[..], MALFORMED].concat().into() }
    }

    /// The error that cuts the connection, or `None` where the answer ends properly.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        if self.what != What::Cut {
            return Poll::Ready(None);
        }
        if self.turns > 0 {
            self.turns -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(io::Error::new(io::ErrorKind::ConnectionReset, "the script cuts this connection")))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use backend_mock::Wire;

    use super::{MALFORMED, Tamper};

    fn passed(wire: Wire, is_stream: bool, pieces: &[&'static str]) -> (String, bool) {
        let mut tamper = Tamper::new(&[wire], is_stream.then_some(1));
        let mut out = Vec::new();
        for piece in pieces {
            if !tamper.is_spent() {
                out.extend(tamper.pass(Bytes::from_static(piece.as_bytes())));
            }
        }
        (String::from_utf8(out).expect("text"), tamper.is_spent())
    }

    /// Method: the same events in pieces cut differently.
    #[test]
    fn events_are_counted_however_they_are_cut() {
        for pieces in
            [&["r\n\n", "1\n\n", "2\n\n", "3\n\n"][..], &["r\n\n1\n\n2", "\n\n3\n\n"], &["r\n\n1\n\n2\n\n3\n\n"]]
        {
            let cut = |events| passed(Wire::Disconnect { events }, true, pieces);
            assert_eq!(cut(0), ("r\n\n".into(), true));
            let (two, spent) = cut(2);
            assert!(two.starts_with("r\n\n1\n\n2") && !two.contains('3') && spent, "{two:?}");
            assert!(!cut(9).1, "an answer that is shorter is left in peace");
        }
    }

    #[test]
    fn what_is_spoilt_cannot_be_read() {
        let (text, _) = passed(Wire::Malformed { events: 1 }, true, &["r\n\n", "1\n\n", "2\n\n"]);
        assert_eq!(text.as_bytes(), [b"r\n\n1\n\n", MALFORMED].concat());
        assert_eq!(passed(Wire::Malformed { events: 5 }, false, &["{\"a\":1}"]), ("{\"a".into(), true));
    }
}
