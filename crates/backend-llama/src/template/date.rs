//! Dates for the few templates that cannot do without.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Writes now, in UTC, as Python's `strftime` would.
pub(super) fn now(format: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the one clock of prompts, for templates that insist on the date")]
    let now = SystemTime::now();
    // Before 1970 the clock is wrong anyway.
    write(format, now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Writes a moment, given in seconds since 1970, as Python's `strftime` would. What it does not know stays as it is.
fn write(format: &str, seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let names = |name: &'static str| (name, name.get(..3).unwrap_or(name));
    let (month_name, month_short) = names(MONTHS[usize::try_from(month - 1).unwrap_or(0)]);
    let (day_name, day_short) = names(DAYS[usize::try_from(days % 7).unwrap_or(0)]);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year % 100),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('B') => out += month_name,
            Some('b') => out += month_short,
            Some('A') => out += day_name,
            Some('a') => out += day_short,
            Some('H') => out += &format!("{:02}", second / 3600),
            Some('M') => out += &format!("{:02}", second / 60 % 60),
            Some('S') => out += &format!("{:02}", second % 60),
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

/// Year, month and day of a day since 1970: whole 400 years first, then years that begin in March, so that the leap day
/// is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    // Days since the first of March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "Thu 01 January 1970 00:00:00"),
            (951_782_400, "Tue 29 February 2000 00:00:00"),
            (1_709_251_199, "Thu 29 February 2024 23:59:59"),
            (1_735_689_600, "Wed 01 January 2025 00:00:00"),
            (4_107_542_400, "Mon 01 March 2100 00:00:00"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(write("%a %d %B %Y %H:%M:%S", seconds), expected);
        }
        assert_eq!(write("%Y-%m-%d, %b %e %% %Q %", 951_782_400), "2000-02-29, Feb 29 % %Q %");
    }
}
