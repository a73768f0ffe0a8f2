//! How single values are read: each function says what the value must be.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::duration;

/// The longest name of a model.
const NAME_LEN_MAX: usize = 100;

/// The longest time that can be configured.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A whole number within `range`.
pub(super) fn integer<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let number = value.as_integer().and_then(|written| u64::from_str_radix(written.as_str(), written.radix()).ok());
        let fits = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        fits.ok_or_else(|| format!("must be an integer from {} to {}", range.start(), range.end()))
    }
}

/// Yes or no.
pub(super) fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// A text with at least one character.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| "must be a string that is not empty".to_owned())
}

/// A name that can stand in a URL, a header and a log line.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, String> {
    check_name(value.as_str().unwrap_or_default())
}

/// The name, if it is one.
pub(super) fn check_name(name: &str) -> Result<String, String> {
    let fits = (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    let refused = || format!("must be a string of 1 to {NAME_LEN_MAX} visible ASCII characters without spaces");
    fits.then(|| name.to_owned()).ok_or_else(refused)
}

/// Several names.
pub(super) fn names(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let each = |array: &toml::de::DeArray<'_>| array.iter().map(|value| name(value.get_ref())).collect();
    value.as_array().map_or_else(|| Err("must be an array of strings".to_owned()), each)
}

/// Several texts.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let each = |array: &toml::de::DeArray<'_>| array.iter().map(|value| text(value.get_ref())).collect();
    value.as_array().map_or_else(|| Err("must be an array of strings".to_owned()), each)
}

/// A time of at least `min`.
pub(super) fn time(min: Duration) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let time = value.as_str().and_then(duration::parse).filter(|time| (min..=DURATION_MAX).contains(time));
        time.ok_or_else(|| {
            let (min, max) = (duration::format(min), duration::format(DURATION_MAX));
            format!("must be a time from \"{min}\" to \"{max}\", such as \"500ms\", \"30s\" or \"2m\"")
        })
    }
}

/// A time of at least `min`, or `"0s"` for never.
pub(super) fn time_or_never(min: Duration) -> impl Fn(&DeValue<'_>) -> Result<Option<Duration>, String> {
    let read = time(min);
    move |value| match value.as_str().and_then(duration::parse) {
        Some(Duration::ZERO) => Ok(None),
        _ => read(value).map(Some).map_err(|message| format!("{message}; or \"0s\" for never")),
    }
}

/// An address with a port.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| "must be an address and a port, such as \"127.0.0.1:8811\" or \"[::1]:8811\"".to_owned())
}
