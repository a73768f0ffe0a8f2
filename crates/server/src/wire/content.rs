//! What a message says: a text, or an array of parts.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// The content of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// One part. What belongs to kinds other than `text` and `image_url` is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) image_url: Option<ImageUrl>,
}

/// Where a picture is: an object, or its URL alone, which some clients write.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged, expecting = "expected an object with a url")]
pub(crate) enum ImageUrl {
    Object { url: String },
    Url(String),
}

impl ImageUrl {
    pub(crate) fn url(&self) -> &str {
        let (Self::Object { url } | Self::Url(url)) = self;
        url
    }
}

/// By hand, because an untagged enum forgets where in the parts an error was.
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Content, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(parts)).map(Content::Parts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Content, Part};

    #[test]
    fn content_is_a_string_or_parts() {
        let read = |value| serde_json::from_value::<Content>(value).expect("content");
        assert_eq!(read(json!("hi")), Content::Text("hi".into()));
        assert_eq!(read(json!([])), Content::Parts(vec![]));
        let part = Part { kind: Some("text".into()), text: Some("hi".into()), image_url: None };
        assert_eq!(read(json!([{"type": "text", "text": "hi"}])), Content::Parts(vec![part]));
    }

    #[test]
    fn other_content_is_refused_in_plain_words() {
        let error = serde_json::from_value::<Content>(json!({"text": "hi"})).map_err(|error| error.to_string());
        assert_eq!(error, Err("invalid type: map, expected a string or an array of parts".into()));
    }
}
