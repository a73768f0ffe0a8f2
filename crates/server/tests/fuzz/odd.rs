//! Values that somebody may not have thought of.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::node::Node;

/// Numbers at the edges of types and ranges, and what looks like one.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "2",
    "3",
    "0.1",
    "0.5",
    "-0.5",
    "1.0",
    "1e0",
    "1.5",
    "16",
    "20",
    "21",
    "64",
    "65",
    "128",
    "129",
    "255",
    "256",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "1e38",
    "3.5e38",
    "-3.5e38",
    "1e308",
    "1e309",
    "-1e309",
    "1e-400",
    "5e-324",
    "1e999999999",
    "00",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "1_000",
    "--1",
    "123456789012345678901234567890",
];

/// Words of the protocols, where they mean something and where they do not.
const WORDS: &[&str] = &[
    "",
    " ",
    "m",
    "fast",
    "auto",
    "none",
    "required",
    "any",
    "tool",
    "function",
    "text",
    "image",
    "image_url",
    "input_text",
    "input_image",
    "output_text",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "reasoning",
    "message",
    "function_call",
    "function_call_output",
    "json_object",
    "json_schema",
    "base64",
    "url",
    "float",
    "system",
    "developer",
    "user",
    "assistant",
    "enabled",
    "disabled",
    "custom",
    "work",
    "code",
    "chat",
    "length",
    "stop",
    "medium",
    "default",
    "message.output_text.logprobs",
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "root ::= \\\"a\\\"",
];

/// Pieces of text as JSON writes them: halves of pairs, controls, what is longer than it looks, and no UTF-8 at all.
const PIECES: &[&[u8]] = &[
    b"\\ud800",
    b"\\udc00",
    b"\\ud83d\\ude00",
    b"\\ud83d\\ud83d",
    b"\\u0000",
    b"\\u001f",
    b"\\uffff",
    b"\\u00e9",
    b"\\n",
    b"\\\"",
    b"\\\\",
    b"\\/",
    b"\\x41",
    b"\\u12",
    b"\\",
    b"\"",
    b"\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xae",
    b"<|im_start|>",
    b"{{",
    b"{%",
    b"%s",
    b"../",
    b"a",
    b" ",
];

/// Pictures, whole and not: a pixel, one cut short, no base64, a header that says it has billions of pixels, other schemes.
const PICTURES: &[&str] = &[
    "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=",
    "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=",
    "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAA",
    "data:image/gif;base64,R0lGODlh/////4AAAP8AAAAAACwAAAAA/////wAC",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUv////8AAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:image/bmp;base64,Qk0=",
    "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ==",
    "data:image/webp;base64,UklGRgAAAABXRUJQVlA4TA==",
    "data:;base64,",
    "data:,",
    "data:",
    "DATA:image/gif;BASE64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=",
    "http://127.0.0.1/a.png",
    "http://example.org/a.png",
    "http://example.org/a.png?b=%zz#c",
    "http://example.org:81/",
    "http://example.org:82/",
    "http://example.org:83/a/b",
    "http://example.org:84",
    "http://example.org:85",
    "http://example.org:99999/",
    "HTTP://[::1]:80/",
    "http://[::ffff:8.8.8.8]/",
    "http://me:secret@example.org/",
    "http://example.org\\@127.0.0.1/",
    "https://example.org/a.png",
    "file:///etc/passwd",
    "http://",
    "://",
];

/// A number, or what looks like one.
pub(crate) fn number() -> impl Strategy<Value = Node> {
    select(NUMBERS).prop_map(|number| Node::Raw(number.into()))
}

/// A text as it stands between its quotes.
pub(crate) fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        2 => select(PICTURES).prop_map(|url| url.as_bytes().to_vec()),
        4 => vec(select(PIECES), 0..6).prop_map(|pieces| pieces.concat()),
        1 => (select(PIECES), 60..2_000_usize).prop_map(|(piece, times)| piece.repeat(times)),
        1 => broken_picture(),
        1 => vec(any::<u8>(), 0..40),
    ]
}

/// A picture of a few bytes with some of them changed, in base64.
fn broken_picture() -> impl Strategy<Value = Vec<u8>> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let whole = select(PICTURES).prop_filter_map("a picture", |url| STANDARD.decode(url.split_once("base64,")?.1).ok());
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 1..5);
    (whole, changes).prop_map(|(mut file, changes)| {
        for (at, byte) in changes {
            if !file.is_empty() {
                let at = at.index(file.len());
                file[at] = byte;
            }
        }
        format!("data:image/png;base64,{}", STANDARD.encode(file)).into_bytes()
    })
}

/// Any piece of JSON, or of what is none.
pub(crate) fn value() -> BoxedStrategy<Node> {
    let leaf = prop_oneof![
        6 => number(),
        6 => text().prop_map(Node::Text),
        3 => select(&["null", "true", "false", "{}", "[]", "", "nul", "True", "'a'", "//", "/**/", ","][..])
            .prop_map(|word| Node::Raw(word.into())),
        1 => (select(&["[", "{\"a\":", "[[", "{"][..]), 1..300_usize).prop_map(|(open, times)| Node::Raw(open.repeat(times).into())),
        1 => (1..300_usize).prop_map(nested),
    ];
    let tree = leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..6).prop_map(Node::Array), vec((text(), inner), 0..6).prop_map(Node::Object),]
    });
    tree.boxed()
}

/// Arrays in arrays, closed as they should be.
fn nested(depth: usize) -> Node {
    (0..depth).fold(Node::Raw(b"1".to_vec()), |inner, _| Node::Array(vec![inner]))
}
