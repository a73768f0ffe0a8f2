//! Reads a request in which every field is known and as it should be, straight from its bytes.
//!
//! Of any other request nothing is said here, neither what is wrong with it nor that anything is: a field that nobody knows
//! may be one that this server refuses, and a field that stands there twice counts the second time.

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;
use serde_ignored::Path;

use super::pass_over;
use crate::wire::generation::GenerationFields;

/// The two parts of a request for an answer, each of which passes over the fields of the other.
pub(super) fn generation<T: DeserializeOwned>(body: &[u8]) -> Option<(GenerationFields, T)> {
    let of_rest = names_of::<T>();
    let common = typed(body, |name| of_rest.contains(&name))?;
    let of_common = names_of::<GenerationFields>();
    Some((common, typed(body, |name| of_common.contains(&name))?))
}

/// A request of one part.
pub(super) fn request<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    typed(body, |_| false)
}

/// `None` where anything is wrong, or a field of the request itself is neither one of `T` nor one that is known elsewhere.
fn typed<T: DeserializeOwned>(body: &[u8], is_known_elsewhere: impl Fn(&str) -> bool) -> Option<T> {
    let mut json = serde_json::Deserializer::from_slice(body);
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
    use super::super::field_by_field;
    use super::{generation, names_of, request};
    use crate::validate::unsupported::CHAT;
    use crate::wire::generation::GenerationFields;
    use crate::wire::request::ChatRequest;
    use crate::wire::tokens::TokenizeRequest;

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

    /// Method: whatever is read at once is read to the same when it is taken apart first, unless that refuses it.
    #[test]
    fn what_is_read_at_once_is_what_is_read_field_by_field() {
        let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
        let values = [
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
            "[",
            "\"\\ud800\"",
        ];
        let names = [names_of::<GenerationFields>(), names_of::<ChatRequest>(), &["functions", "unknown"]].concat();
        let mut n_read = 0;
        for name in names {
            for value in values {
                for body in [
                    format!("{{{messages},\"{name}\":{value}}}"),
                    format!("{{\"{name}\":{value},{messages}}}"),
                    format!("{{{messages},\"{name}\":{value},\"{name}\":{value}}}"),
                    format!("{{{messages},\"{name}\":{value}}}}}"),
                ] {
                    let Some(at_once) = read(&body) else { continue };
                    n_read += 1;
                    assert_eq!(Ok(at_once), field_by_field(body.as_bytes(), CHAT), "{body}");
                }
            }
        }
        assert!(n_read > 200, "{n_read}");
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
