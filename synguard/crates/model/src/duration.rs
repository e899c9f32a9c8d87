//! Durations in text: `500ms`, `30s`, `10m`, `2h`, `7d`, `1h30m`. Pure.

use std::{fmt::Write as _, time::Duration};

/// Units from large to small, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// An error in the text of a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// An empty text, or another character where a digit should be.
    #[error("a duration is a whole number and a unit (ms, s, m, h or d), such as 500ms, 10s or 1h30m")]
    Form,
    /// A number without a unit.
    #[error("{0} needs a unit: ms, s, m, h or d, such as {0}s")]
    NoUnit(String),
    /// A unit that does not exist.
    #[error("there is no unit `{0}`: use ms, s, m, h or d")]
    Unit(String),
    /// Units repeated or not from large to small.
    #[error("`{0}` follows a unit that is not larger: write units from large to small, such as 1h30m")]
    Order(&'static str),
    /// More milliseconds than 64 bits hold.
    #[error("the duration is too long")]
    TooLong,
}

/// Parses a duration: one or more whole numbers, each with a unit, from large units to small; less than 2^64 ms.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_ms = 0u64;
    loop {
        let (digits, after) = split_at_first(rest, |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(DurationError::Form);
        }
        let (name, after) = split_at_first(after, |c| c.is_ascii_digit());
        if name.is_empty() {
            return Err(DurationError::NoUnit(digits.to_owned()));
        }
        let &(name, unit_ms) = UNITS
            .iter()
            .find(|(unit, _)| *unit == name)
            .ok_or_else(|| DurationError::Unit(name.to_owned()))?;
        if !units.any(|(unit, _)| *unit == name) {
            return Err(DurationError::Order(name));
        }
        let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        total_ms = number
            .checked_mul(unit_ms)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or(DurationError::TooLong)?;
        if after.is_empty() {
            return Ok(Duration::from_millis(total_ms));
        }
        rest = after;
    }
}

/// Splits before the first character that `stop` accepts.
pub(crate) fn split_at_first(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// Formats a duration so that [`parse`] reads it back. Fractions of a millisecond are omitted, and 2^64 ms or more is
/// formatted as 2^64 - 1 ms.
pub fn format(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        if rest_ms >= unit_ms {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", rest_ms / unit_ms);
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_parsed() {
        for (text, ms) in [
            ("500ms", 500),
            ("0s", 0),
            ("0ms", 0),
            ("30s", 30_000),
            ("90s", 90_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("007s", 7_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, error) in [
            ("", "a duration is a whole number and a unit"),
            ("s", "a duration is a whole number"),
            ("-5s", "a duration is a whole number"),
            (" 5s", "a duration is a whole number"),
            ("10", "10 needs a unit: ms, s, m, h or d, such as 10s"),
            ("1h30", "30 needs a unit"),
            ("1.5h", "there is no unit `.`"),
            ("5 s", "there is no unit ` s`"),
            ("5S", "there is no unit `S`"),
            ("5µs", "there is no unit `µs`"),
            ("٣s", "a duration is a whole number"),
            ("5min", "there is no unit `min`"),
            ("30m1h", "`h` follows a unit that is not larger"),
            ("1s1s", "`s` follows a unit that is not larger"),
            ("1ms2s", "`s` follows a unit that is not larger"),
            ("18446744073709551616ms", "too long"),
            ("999999999999999999d", "too long"),
            ("18446744073709551s999999ms", "too long"),
        ] {
            let got = parse(text).expect_err(text).to_string();
            assert!(got.contains(error), "{text}: {got}");
            assert!(!got.contains('\n'));
        }
    }

    #[test]
    fn durations_are_formatted() {
        for (ms, text) in [(0, "0s"), (1, "1ms"), (10_000, "10s"), (90_500, "1m30s500ms"), (86_400_000, "1d")]
        {
            assert_eq!(format(Duration::from_millis(ms)), text);
        }
        assert_eq!(format(Duration::from_nanos(999_999)), "0s");
        assert_eq!(parse(&format(Duration::MAX)), Ok(Duration::from_millis(u64::MAX)));
    }

    proptest! {
        #[test]
        fn formatted_durations_round_trip(ms: u64) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9msdh .µ-]{0,24}|\\PC{0,24}") {
            if let Ok(duration) = parse(&text) {
                prop_assert_eq!(parse(&format(duration)), Ok(duration));
            }
        }
    }
}
