//! The pictures of one request, in whatever fields its protocol puts them.

use backend::Image;

use super::picture::{self, PIXELS_KEPT_MAX, PIXELS_MAX};

/// Pictures of a request at most.
pub(crate) const PICTURES_MAX: usize = 16;

const _: () = assert!(PICTURES_MAX as u64 * PIXELS_KEPT_MAX <= PIXELS_MAX);

/// Unpacks the pictures that a parser meets, and counts them. An error is a sentence without its subject, before which the
/// parser puts the name of the field.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    n_taken: usize,
}

impl Pictures {
    /// The picture at a URL.
    ///
    /// # Errors
    /// What is wrong with it, or that it is one too many.
    pub(crate) fn at(&mut self, url: &str) -> Result<Image, String> {
        self.count()?;
        match url.split_once(':') {
            Some((scheme, data)) if scheme.eq_ignore_ascii_case("data") => picture::from_data(data),
            _ => Err("must be a data URL, data:image/png;base64,...: this server fetches nothing".to_owned()),
        }
    }

    /// The picture in a text of base64.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub(crate) fn inline(&mut self, base64: &str) -> Result<Image, String> {
        self.count()?;
        picture::from_base64(base64)
    }

    /// The picture in either: no URL is base64, which has no colon.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub(crate) fn either(&mut self, text: &str) -> Result<Image, String> {
        if text.contains(':') { self.at(text) } else { self.inline(text) }
    }

    /// Before it is unpacked.
    fn count(&mut self) -> Result<(), String> {
        self.n_taken += 1;
        if self.n_taken <= PICTURES_MAX {
            return Ok(());
        }
        Err(format!("is one picture too many: a request may have {PICTURES_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{PICTURES_MAX, Pictures};

    /// A pixel.
    const DOT: &str = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

    #[test]
    fn pictures_come_in_data_urls_and_in_base64() {
        let mut pictures = Pictures::default();
        let urls = [format!("data:image/gif;base64,{DOT}"), format!("DATA:;base64,{DOT}")];
        for url in &urls {
            assert!(pictures.at(url).is_ok() && pictures.either(url).is_ok());
        }
        assert!(pictures.inline(DOT).is_ok() && pictures.either(DOT).is_ok());
        for url in ["https://example.org/a.png", "file:///etc/passwd", "", DOT] {
            let refused = pictures.at(url).expect_err("it is nothing that is read");
            assert!(refused.contains("must be a data URL"), "{refused}");
        }
    }

    #[test]
    fn one_too_many_is_refused_before_it_is_looked_at() {
        let mut pictures = Pictures::default();
        for _ in 0..PICTURES_MAX {
            pictures.inline(DOT).expect("a picture");
        }
        let refused = pictures.inline("no picture").expect_err("it is one too many");
        assert!(refused.contains("may have 16"), "{refused}");
    }
}
