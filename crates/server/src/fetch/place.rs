//! Where a picture is: a URL, taken apart.

use http::Uri;

/// The longest URL, in bytes.
const URL_MAX_BYTES: usize = 8 * 1024;

/// A host, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) is_tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they were written.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

impl Place {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if url.len() > URL_MAX_BYTES {
            return Err(format!("its URL has more than {URL_MAX_BYTES} bytes"));
        }
        let uri: Uri = url.parse().map_err(|error| format!("its URL cannot be read: {error}"))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("only http and https are spoken".to_owned()),
        };
        let authority = uri.authority().ok_or("its URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("its URL has a name or a password in it, which would be sent".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("its URL names no host".to_owned());
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { is_tls, host, port, authority: authority.as_str().to_owned(), target })
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and where the way would no longer be encrypted.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, String> {
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let place = match location.as_bytes() {
            _ if has_scheme(location) => Self::parse(location),
            [b'/', b'/', ..] => Self::parse(&format!("{scheme}:{location}")),
            [b'/', ..] => Self::parse(&format!("{scheme}://{}{location}", self.authority)),
            [b'?', ..] => Self::parse(&format!("{scheme}://{}{path}{location}", self.authority)),
            _ => Self::parse(&format!("{scheme}://{}{folder}/{location}", self.authority)),
        }?;
        if self.is_tls && !place.is_tls {
            return Err("a redirect leads from https to http".to_owned());
        }
        Ok(place)
    }
}

/// Whether a reference is a whole URL.
fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, host, port, target) in [
            ("http://a.example", "a.example", 80, "/"),
            ("https://a.example/b/c.png?d=e#f", "a.example", 443, "/b/c.png?d=e"),
            ("HTTP://a.example:8080/x", "a.example", 8080, "/x"),
            ("https://[2001:db8::1]:1/", "2001:db8::1", 1, "/"),
        ] {
            let place = Place::parse(url).expect(url);
            assert_eq!((place.host.as_str(), place.port, place.target.as_str()), (host, port, target), "{url}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (url, reason) in [
            ("http://", "cannot be read"),
            ("http:///a.png", "cannot be read"),
            ("ftp://a.example/", "only http and https"),
            ("http://me:secret@a.example/", "a password"),
            ("http://a.example@b.example/", "a password"),
            ("http://a b/", "cannot be read"),
            ("http://a.example/\r\nx: y", "cannot be read"),
            ("a.png", "only http and https"),
        ] {
            let refused = Place::parse(url).expect_err(url);
            assert!(refused.contains(reason), "{url}: {refused}");
        }
        assert!(Place::parse(&format!("http://a.example/{}", "x".repeat(9000))).is_err());
    }

    #[test]
    fn a_redirect_is_read_from_where_it_was_said() {
        let from = Place::parse("https://a.example:1/b/c?d").expect("a place");
        for (location, authority, target) in [
            ("https://b.example/x", "b.example", "/x"),
            ("//b.example/x", "b.example", "/x"),
            ("/x?y", "a.example:1", "/x?y"),
            ("x", "a.example:1", "/b/x"),
            ("?y", "a.example:1", "/b/c?y"),
            ("", "a.example:1", "/b/"),
            ("x?u=http://b.example", "a.example:1", "/b/x?u=http://b.example"),
        ] {
            let to = from.redirected(location).expect(location);
            assert_eq!((to.authority.as_str(), to.target.as_str()), (authority, target), "{location}");
        }
        for location in ["http://a.example/x", "file:///etc/passwd", "data:image/png;base64,", "https://a:b@c.example/"]
        {
            assert!(from.redirected(location).is_err(), "{location}");
        }
    }
}
