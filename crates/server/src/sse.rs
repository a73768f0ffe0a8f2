//! Server-sent events: how the pieces of an answer are framed.

use bytes::Bytes;
use serde::Serialize;

/// The end of a complete answer.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// Frames one value. JSON escapes line breaks, so that a frame never breaks inside a value.
pub(crate) fn frame(value: &impl Serialize) -> Bytes {
    let mut frame = b"data: ".to_vec();
    serde_json::to_writer(&mut frame, value).expect("wire types have string keys and no failing serializer");
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::frame;

    /// A line break in the text would end the frame early and the client would lose the rest.
    #[test]
    fn text_cannot_break_out_of_its_frame() {
        let framed = frame(&"a\n\ndata: [DONE]\r\n\u{2028}\"");
        assert_eq!(&framed[..], "data: \"a\\n\\ndata: [DONE]\\r\\n\u{2028}\\\"\"\n\n".as_bytes());
    }
}
