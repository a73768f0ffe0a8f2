//! The pictures of one request, in whatever fields its protocol puts them.

use backend::Image;

use super::picture::{self, PIXELS_KEPT_MAX, PIXELS_MAX};

/// Pictures of a request at most.
pub(crate) const PICTURES_MAX: usize = 16;

const _: () = assert!(PICTURES_MAX as u64 * PIXELS_KEPT_MAX <= PIXELS_MAX);

/// Counts the pictures that a parser meets, and unpacks those that are in the request. An error is a sentence without its
/// subject, before which the parser puts the name of the field.
///
/// Where some have to be fetched, a request is parsed twice: first to see which they are, and whether anything else is wrong
/// with it, and then with them. A parser meets pictures in the same order each time, so their order is all that has to
/// be remembered.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    may_fetch: bool,
    n_met: usize,
    /// What the parser was told the first time, in the order in which it met them.
    met: Vec<Met>,
    /// What it is told the second time.
    known: Vec<Result<Image, String>>,
}

/// A picture that was met.
#[derive(Debug, Clone)]
pub(crate) enum Met {
    Here(Image),
    /// It has to be fetched from this URL.
    Elsewhere(String),
}

impl Pictures {
    /// For a request whose pictures may be elsewhere, if `may_fetch` says so.
    pub(crate) fn new(may_fetch: bool) -> Self {
        Self { may_fetch, ..Self::default() }
    }

    /// For the same request, with what has become of each picture.
    pub(crate) fn again(known: Vec<Result<Image, String>>) -> Self {
        Self { known, ..Self::default() }
    }

    /// What was met; `None` where nothing has to be fetched.
    pub(crate) fn wanted(self) -> Option<Vec<Met>> {
        self.met.iter().any(|met| matches!(met, Met::Elsewhere(_))).then_some(self.met)
    }

    /// The picture at a URL.
    ///
    /// # Errors
    /// What is wrong with it, or that it is one too many.
    pub(crate) fn at(&mut self, url: &str) -> Result<Image, String> {
        let may_fetch = self.may_fetch;
        self.meet(|| match url.split_once(':') {
            Some((scheme, data)) if scheme.eq_ignore_ascii_case("data") => picture::from_data(data).map(Met::Here),
            Some((scheme, _)) if is_http(scheme) && may_fetch => Ok(Met::Elsewhere(url.to_owned())),
            Some((scheme, _)) if is_http(scheme) => Err("must be a data URL, data:image/png;base64,...: this server fetches \
                                                         nothing, unless its configuration says server.fetch_pictures = true"
                .to_owned()),
            _ => Err("must be a data URL, data:image/png;base64,...".to_owned()),
        })
    }

    /// The picture in a text of base64.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub(crate) fn inline(&mut self, base64: &str) -> Result<Image, String> {
        self.meet(|| picture::from_base64(base64).map(Met::Here))
    }

    /// The picture in either: no URL is base64, which has no colon.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub(crate) fn either(&mut self, text: &str) -> Result<Image, String> {
        if text.contains(':') { self.at(text) } else { self.inline(text) }
    }

    fn meet(&mut self, look: impl FnOnce() -> Result<Met, String>) -> Result<Image, String> {
        // Before it is unpacked.
        if self.n_met == PICTURES_MAX {
            return Err(format!("is one picture too many: a request may have {PICTURES_MAX}"));
        }
        self.n_met += 1;
        if let Some(known) = self.known.get(self.n_met - 1) {
            return known.clone();
        }
        let met = look()?;
        let image = match &met {
            Met::Here(image) => image.clone(),
            // What is made with it is thrown away.
            Met::Elsewhere(_) => Image::new(1, 1, [0; 3]).expect("a pixel has three bytes"),
        };
        self.met.push(met);
        Ok(image)
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// A pixel, in base64.
#[cfg(test)]
pub(super) const DOT: &str = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

#[cfg(test)]
mod tests {
    use backend::Image;

    use super::{DOT, Met, PICTURES_MAX, Pictures};

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
            assert_eq!(refused.contains("server.fetch_pictures"), url.starts_with("http"), "{refused}");
        }
        assert!(pictures.wanted().is_none());
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

    /// Method: what was met the first time, in its order, is what is told the second time, wherever it is.
    #[test]
    fn pictures_elsewhere_are_met_twice() {
        let mut pictures = Pictures::new(true);
        assert!(pictures.inline(DOT).is_ok());
        assert!(pictures.at("HTTPS://example.org/a.png").is_ok());
        assert!(pictures.either("http://example.org/b.png").is_ok());
        let met = pictures.wanted().expect("two are elsewhere");
        let urls: Vec<_> = met
            .iter()
            .map(|met| match met {
                Met::Here(_) => "here",
                Met::Elsewhere(url) => url,
            })
            .collect();
        assert_eq!(urls, ["here", "HTTPS://example.org/a.png", "http://example.org/b.png"]);
        let image = Image::new(2, 1, [7; 6]).expect("two pixels");
        let mut pictures = Pictures::again(vec![Ok(image.clone()), Err("is gone".to_owned()), Ok(image.clone())]);
        assert_eq!(pictures.inline(DOT), Ok(image.clone()));
        assert_eq!(pictures.at("HTTPS://example.org/a.png"), Err("is gone".to_owned()));
        assert_eq!(pictures.either("http://example.org/b.png"), Ok(image));
    }
}
