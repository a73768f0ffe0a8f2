//! A text, or an array: how several protocols write what is said.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One of the two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextOr<T> {
    Text(String),
    Parts(Vec<T>),
}

/// By hand, because an untagged enum forgets where in the array an error was.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<TextOr<T>, E> {
        Ok(TextOr::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<TextOr<T>, E> {
        Ok(TextOr::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<TextOr<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(parts)).map(TextOr::Parts)
    }
}

impl<T: ToSchema> PartialSchema for TextOr<T> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let parts = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        OneOfBuilder::new().item(text).item(parts).into()
    }
}

impl<T: ToSchema> ToSchema for TextOr<T> {
    fn name() -> Cow<'static, str> {
        format!("TextOr{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        // A part can have such a text or array in it; whoever is there already is not looked at again.
        if schemas.iter().all(|(name, _)| *name != T::name()) {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::TextOr;

    #[test]
    fn it_is_a_string_or_an_array() {
        let read = |value| serde_json::from_value::<TextOr<u32>>(value).expect("one of the two");
        assert_eq!(read(json!("hi")), TextOr::Text("hi".into()));
        assert_eq!(read(json!([])), TextOr::Parts(vec![]));
        assert_eq!(read(json!([7])), TextOr::Parts(vec![7]));
    }

    #[test]
    fn anything_else_is_refused_in_plain_words() {
        let error = serde_json::from_value::<TextOr<u32>>(json!({"text": "hi"})).map_err(|error| error.to_string());
        assert_eq!(error, Err("invalid type: map, expected a string or an array of parts".into()));
    }
}
