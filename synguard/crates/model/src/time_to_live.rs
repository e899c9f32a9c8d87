//! Times to live as scripts and other programs write them: `30m`, `3600`, `3h59m46.163659811s`, `1.5h`, `-1`. Pure.

use std::time::Duration;

use crate::{duration::split_at_first, list_entry::TTL};

/// Words for a time without end.
const FOREVER: [&str; 3] = ["forever", "never", "-1"];
/// Units in nanoseconds. A number without a unit is of seconds.
const UNITS: [(&str, u128); 10] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", SECOND_NS),
    ("", SECOND_NS),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];
const SECOND_NS: u128 = 1_000_000_000;
/// Digits of a number, of which 18 fit into 64 bits. Further decimals are less than a nanosecond.
const DIGITS_MAX: usize = 18;

/// Error about a text that is no time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {TTL}, such as 30m, 7d, 1h30m, 3600 (seconds) or 3h59m46.2s, or forever (also -1)")]
pub struct TimeToLiveError;

/// Parses a time to live; `None` means forever. Fractions of a millisecond are rounded up.
///
/// # Errors
///
/// If the text has another form, or the time is out of range.
pub fn parse(text: &str) -> Result<Option<Duration>, TimeToLiveError> {
    if FOREVER.contains(&text) {
        return Ok(None);
    }
    let ms = nanoseconds(text).ok_or(TimeToLiveError)?.div_ceil(1_000_000);
    let ttl = Duration::from_millis(ms.try_into().map_err(|_| TimeToLiveError)?);
    if (TTL.min..=TTL.max).contains(&ttl) { Ok(Some(ttl)) } else { Err(TimeToLiveError) }
}

fn nanoseconds(text: &str) -> Option<u128> {
    let (mut rest, mut total) = (text, 0);
    loop {
        let (whole, after) = digits(rest);
        let (decimals, after) = after.strip_prefix('.').map_or(("0", after), digits);
        if whole.is_empty() || decimals.is_empty() || whole.len() > DIGITS_MAX {
            return None;
        }
        let (unit, after) = split_at_first(after, |c| c.is_ascii_digit());
        // Only a number that stands alone is of seconds.
        if unit.is_empty() && rest.len() != text.len() {
            return None;
        }
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let decimals = &decimals[..decimals.len().min(DIGITS_MAX)];
        let fraction = unit_ns * decimals.parse::<u128>().ok()? / 10u128.pow(decimals.len() as u32);
        total += unit_ns * whole.parse::<u128>().ok()? + fraction;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// Splits a text after its leading ASCII digits.
fn digits(text: &str) -> (&str, &str) {
    split_at_first(text, |c| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::duration;

    #[test]
    fn times_of_scripts_are_understood() {
        for (text, ms) in [
            ("3600", 3_600_000),
            ("0.5", 500),
            ("30m", 1_800_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            // As CrowdSec writes it.
            ("3h59m46.163659811s", 14_386_164),
            ("4m0.000000001s", 240_001),
            ("1µs", 1),
            ("250ms", 250),
            ("3650d", 315_360_000_000),
        ] {
            assert_eq!(parse(text), Ok(Some(Duration::from_millis(ms))), "{text}");
        }
        for forever in ["forever", "never", "-1"] {
            assert_eq!(parse(forever), Ok(None));
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_form() {
        for text in [
            "",
            "0",
            "0s",
            "-2",
            "-5m",
            "h",
            "1 h",
            "1y",
            "1h30",
            "1..5h",
            "1.h",
            ".5h",
            "+5s",
            "5S",
            "3651d",
            "999999999999999999w",
            "9999999999999999999",
            "٣s",
            "ever",
        ] {
            assert_eq!(parse(text), Err(TimeToLiveError), "{text}");
        }
        let message = TimeToLiveError.to_string();
        assert!(message.contains("1ms to 3650d") && message.contains("forever"), "{message}");
    }

    proptest! {
        #[test]
        fn formatted_durations_are_read_alike(ms in 1..=TTL.max.as_millis() as u64) {
            let ttl = Duration::from_millis(ms);
            prop_assert_eq!(parse(&duration::format(ttl)), Ok(Some(ttl)));
        }

        #[test]
        fn no_text_panics(text in "[0-9mshdwnuµ.-]{0,40}|\\PC{0,24}") {
            let _ = parse(&text);
        }
    }
}
