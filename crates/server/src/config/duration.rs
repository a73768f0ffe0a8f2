//! Durations as people write them: a whole number and a unit, `500ms`, `30s`, `2m`, `1h`.

use std::time::Duration;

/// The units, smallest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a duration.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?))
}

/// Writes a duration with the largest unit that leaves it whole. Parts of a millisecond are dropped.
pub(super) fn format(duration: Duration) -> String {
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = |millis: u64| total >= millis && total.is_multiple_of(millis);
    match UNITS.into_iter().rev().find(|(_, millis)| whole(*millis)) {
        Some((name, millis)) => format!("{}{name}", total / millis),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{format, parse};

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["0s", "1ms", "1500ms", "30s", "2m", "90s", "1h"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
        assert_eq!(parse("120s").map(format).as_deref(), Some("2m"));
    }

    #[test]
    fn a_number_without_a_unit_is_not_a_duration() {
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
    }
}
