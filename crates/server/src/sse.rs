//! Server-sent events: how the pieces of an answer are framed.

use serde::Serialize;

/// The end of a complete answer.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// Frames one value. JSON escapes line breaks, so that a frame never breaks inside a value.
pub(crate) fn frame(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, value).expect("wire types have string keys and no failing serializer");
    out.extend_from_slice(b"\n\n");
}

/// The same with the event's name, for protocols whose clients look at that.
pub(crate) fn named_frame(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    frame(out, value);
}

/// A line that clients pass over. The text has no line breaks.
pub(crate) fn comment(text: &str) -> String {
    debug_assert!(!text.contains(['\n', '\r']), "{text:?} breaks out of its comment");
    format!(": {text}\n\n")
}

#[cfg(test)]
mod tests {
    use super::frame;

    /// A line break in the text would end the frame early and the client would lose the rest.
    #[test]
    fn text_cannot_break_out_of_its_frame() {
        let mut framed = Vec::new();
        frame(&mut framed, &"a\n\ndata: [DONE]\r\n\u{2028}\"");
        assert_eq!(&framed[..], "data: \"a\\n\\ndata: [DONE]\\r\\n\u{2028}\\\"\"\n\n".as_bytes());
    }
}
