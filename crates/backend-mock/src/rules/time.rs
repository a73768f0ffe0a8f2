//! Times as people write them: `250us`, `10ms`, `1.5s`, `2m`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// The units with their nanoseconds, smallest first.
const UNITS: [(&str, u32); 5] = [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 0), ("h", 0)];

/// The longest time that a script may ask for.
const MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A time in a script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

impl Time {
    /// So many milliseconds.
    pub const fn ms(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

fn parse(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= MAX)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let whole = |unit: u32| unit > 0 && nanos.is_multiple_of(u128::from(unit));
        match UNITS.into_iter().rev().find(|(_, unit)| whole(*unit)) {
            _ if nanos == 0 => f.write_str("0s"),
            Some((name, unit)) => write!(f, "{}{name}", nanos / u128::from(unit)),
            None => write!(f, "{}us", nanos / 1_000),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = parse(&text).map(Self);
        time.ok_or_else(|| D::Error::custom("must be a time of at most 168h, such as \"250us\", \"10ms\" or \"1.5s\""))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h)$" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Time, parse};

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["0s", "7us", "1ms", "1500ms", "30s", "3600s"] {
            assert_eq!(parse(text).map(|time| Time(time).to_string()).as_deref(), Some(text));
        }
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
    }

    #[test]
    fn a_number_without_a_unit_is_no_time() {
        for text in ["", "30", "ms", "-1s", "1 s", "1d", "1.2.3s", "169h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
