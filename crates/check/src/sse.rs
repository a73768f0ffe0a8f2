//! Server-sent events out of a body that comes in pieces, cut anywhere.

/// What has come and is not yet an event.
#[derive(Debug, Default)]
pub(crate) struct Events {
    unread: Vec<u8>,
}

impl Events {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Two kinds of line ends are allowed; one is enough to look for.
        self.unread.extend(bytes.iter().filter(|byte| **byte != b'\r'));
    }

    /// The data of the next event that is complete. Comments and events without data are passed over.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
            let event: Vec<u8> = self.unread.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event).into_owned();
            let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let data = data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn events_are_found_wherever_the_body_was_cut() {
        let body =
            ": hello\r\n\r\ndata: {\"ä\":1}\r\n\r\nevent: x\ndata:a\ndata: b\n\nid: 3\n\ndata: [DONE]\n\n".as_bytes();
        for cut in 0..body.len() {
            let mut events = Events::default();
            let mut found = vec![];
            for piece in [&body[..cut], &body[cut..]] {
                events.push(piece);
                found.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(found, ["{\"ä\":1}", "a\nb", "[DONE]"], "cut at {cut}");
        }
    }

    #[test]
    fn half_an_event_is_none() {
        let mut events = Events::default();
        events.push(b"data: half\n");
        assert_eq!(events.next(), None);
    }
}
