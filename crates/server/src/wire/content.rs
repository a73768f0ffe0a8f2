//! What a message says: a text, or an array of parts.

use super::text_or::TextOr;

/// The content of a message.
pub(crate) type Content = TextOr<Part>;

/// One part. What belongs to kinds other than `text` and `image_url` is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) image_url: Option<ImageUrl>,
}

/// Where a picture is: an object, or its URL alone, which some clients write.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, utoipa::ToSchema)]
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
