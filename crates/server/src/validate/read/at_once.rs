//! Reads a request in which every field is known and as it should be, straight from its bytes.
//!
//! Of any other request nothing is said here, neither what is wrong with it nor that anything is: a field that nobody knows
//! may be one that this server refuses, and a field that stands there twice counts the second time. What is passed over
//! inside of a field that is known is only followed to its end, whatever its numbers, escapes and depth.

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;
use serde_ignored::Path;

use super::pass_over;
use crate::wire::generation::GenerationFields;

/// The two parts of a request for an answer, each of which passes over the fields of the other.
pub(super) fn generation<T: DeserializeOwned>(body: &[u8]) -> Option<(GenerationFields, T)> {
    let body = str::from_utf8(body).ok()?;
    let of_rest = names_of::<T>();
    let common = typed(body, |name| of_rest.contains(&name))?;
    let of_common = names_of::<GenerationFields>();
    Some((common, typed(body, |name| of_common.contains(&name))?))
}

/// A request of one part.
pub(super) fn request<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    typed(str::from_utf8(body).ok()?, |_| false)
}

/// `None` where anything is wrong, or a field of the request itself is neither one of `T` nor one that is known elsewhere.
fn typed<T: DeserializeOwned>(body: &str, is_known_elsewhere: impl Fn(&str) -> bool) -> Option<T> {
    let mut json = serde_json::Deserializer::from_str(body);
    let mut is_unknown = false;
    let read = serde_ignored::deserialize(&mut json, |path| match &path {
        Path::Map { parent: Path::Root, key } => is_unknown |= !is_known_elsewhere(key),
        // What is inside of a field that is known can ask for nothing that has to be refused.
        inside => pass_over(inside),
    });
    let read = read.ok()?;
    json.end().ok()?;
    (!is_unknown).then_some(read)
}

/// The names of the fields of a wire type, as serde knows them; none where it is no plain struct.
fn names_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    let _never_made = T::deserialize(Names(&mut names));
    names
}

/// Hears which fields are wanted, and has none of them.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom(""))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;

    use super::super::{generation_field_by_field, request_field_by_field};
    use super::{generation, names_of, request};
    use crate::validate::BadRequest;
    use crate::validate::unsupported::{self, Rule};
    use crate::wire::completions::CompletionRequest;
    use crate::wire::embeddings::EmbeddingsRequest;
    use crate::wire::generation::GenerationFields;
    use crate::wire::llama::LlamaRequest;
    use crate::wire::messages::request::MessagesRequest;
    use crate::wire::request::ChatRequest;
    use crate::wire::responses::request::ResponsesRequest;
    use crate::wire::tokens::{DetokenizeRequest, TemplateRequest, TokenizeRequest};

    fn read(body: &str) -> Option<(GenerationFields, ChatRequest)> {
        generation(body.as_bytes())
    }

    #[test]
    fn a_request_as_clients_write_it_is_read_at_once() {
        for body in [
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"hi","name":"x"}],"stream":true,"user":"u"}"#,
            r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"n":null}"#,
            r#" {"messages":[{"role":"user","content":[{"type":"text","text":"\u00e9"}]}],"temperature":0} "#,
        ] {
            assert!(read(body).is_some(), "{body}");
        }
        assert!(request::<TokenizeRequest>(br#"{"content":"a"}"#).is_some());
    }

    /// Values of every kind, good and bad.
    const VALUES: [&str; 22] = [
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1e3",
        "1e999",
        "-1",
        "18446744073709551616",
        "\"\"",
        "\"a\"",
        "[]",
        "[0]",
        "[[1,false]]",
        "{}",
        "{\"1\":2}",
        "{\"type\":\"text\"}",
        "{\"type\":\"text\",\"x\":1}",
        "[{\"type\":\"text\",\"text\":\"a\",\"x\":{\"y\":[1]}}]",
        "{\"type\":\"text\",\"type\":\"image\"}",
        "[",
        "\"\\ud800\"",
    ];

    /// Reads bodies that have each of `names`, and of the names in `rules`, with each of the values, both ways. Whatever is
    /// read at once must be read to the same field by field. Returns how many were.
    fn compare<T: PartialEq + Debug>(
        names: &[&str],
        rules: &[Rule],
        at_once: impl Fn(&[u8]) -> Option<T>,
        field_by_field: impl Fn(&[u8], &[Rule]) -> Result<T, BadRequest>,
    ) -> usize {
        let refused = rules.iter().map(|rule| rule.field).chain(["unknown"]);
        let mut n_read = 0;
        for name in names.iter().copied().chain(refused) {
            for value in VALUES {
                for body in [
                    format!("{{\"{name}\":{value}}}"),
                    format!("{{\"{name}\":{value},\"model\":\"m\"}}"),
                    format!("{{\"{name}\":{value},\"{name}\":{value}}}"),
                    format!("{{\"{name}\":{value}}}}}"),
                ] {
                    let Some(read) = at_once(body.as_bytes()) else { continue };
                    n_read += 1;
                    assert_eq!(Ok(read), field_by_field(body.as_bytes(), rules), "{body}");
                }
            }
        }
        n_read
    }

    /// The requests for an answer of two parts.
    fn compare_parts<T: DeserializeOwned + PartialEq + Debug>(rules: &[Rule]) -> usize {
        let names = [names_of::<GenerationFields>(), names_of::<T>()].concat();
        assert!(names.len() > names_of::<GenerationFields>().len(), "a part has no names");
        compare::<(GenerationFields, T)>(&names, rules, generation, generation_field_by_field)
    }

    /// The others.
    fn compare_whole<T: DeserializeOwned + PartialEq + Debug>(rules: &[Rule]) -> usize {
        compare::<T>(names_of::<T>(), rules, request, request_field_by_field)
    }

    /// So no way to read lets through what the other refuses, and a field that is refused cannot become one that is read
    /// without its rule being looked at.
    #[test]
    fn what_is_read_at_once_is_what_is_read_field_by_field() {
        let parts = [
            compare_parts::<ChatRequest>(unsupported::CHAT),
            compare_parts::<CompletionRequest>(unsupported::COMPLETION),
            compare_parts::<LlamaRequest>(unsupported::LLAMA),
        ];
        let whole = [
            compare_whole::<MessagesRequest>(unsupported::MESSAGES),
            compare_whole::<ResponsesRequest>(unsupported::RESPONSES),
            compare_whole::<EmbeddingsRequest>(&[]),
            compare_whole::<TokenizeRequest>(&[]),
            compare_whole::<DetokenizeRequest>(&[]),
            compare_whole::<TemplateRequest>(unsupported::CHAT),
        ];
        assert!(parts.iter().all(|n| *n > 200) && whole.iter().all(|n| *n > 5), "{parts:?} {whole:?}");
    }

    #[test]
    fn what_is_passed_over_inside_of_a_field_is_followed_to_its_end() {
        let body =
            |unknown: &str| format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"hi\",\"x\":{unknown}}}]}}");
        let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
        for unknown in ["1e999", "\"\\ud800\"", deep.as_str()] {
            assert!(read(&body(unknown)).is_some(), "{unknown}");
        }
        for unknown in ["[", "\"", "1e", "", "{\"a\"}"] {
            assert!(read(&body(unknown)).is_none(), "{unknown}");
        }
    }

    /// JSON is text, and a field that is passed over is a part of it.
    #[test]
    fn bytes_that_are_no_text_are_no_request() {
        for unknown in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\""] {
            let body = [br#"{"messages":[{"role":"user","content":"hi","x":"#, unknown, b"}]}"].concat();
            assert!(generation::<ChatRequest>(&body).is_none() && request::<TemplateRequest>(&body).is_none());
            let refused = generation_field_by_field::<ChatRequest>(&body, unsupported::CHAT);
            assert!(refused.is_err_and(|error| error.message.contains("not valid JSON")));
        }
    }

    /// These have to be looked at one by one.
    #[test]
    fn nothing_is_said_of_a_request_with_a_field_that_is_not_known() {
        for body in [
            r#"{"messages":[],"functions":[{"name":"f"}]}"#,
            r#"{"messages":[],"unknown":1}"#,
            r#"{"messages":[],"Model":"m"}"#,
            r#"{"messages":[],"model":"a","model":"b"}"#,
            r#"[]"#,
            "",
        ] {
            assert!(read(body).is_none(), "{body}");
        }
        assert!(request::<TokenizeRequest>(br#"{"content":"a","unknown":1}"#).is_none());
    }
}
