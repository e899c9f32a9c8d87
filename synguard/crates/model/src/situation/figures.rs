//! Figures in words.

use crate::number::grouped;

/// Formats a rate with three significant digits and its thousands separated: `84 400`. A slow rate keeps one decimal, because it
/// is not zero.
pub(super) fn rate(per_second: f64) -> String {
    // NaN and negative values count as 0.
    let rate = if per_second > 0.0 { per_second } else { 0.0 };
    if rate < 9.95 {
        let text = format!("{rate:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    grouped(three_digits(rate.round() as u64))
}

/// Rounds to three significant digits.
const fn three_digits(count: u64) -> u64 {
    let mut unit = 1;
    while count / unit >= 1000 {
        unit *= 10;
    }
    count.saturating_add(unit / 2) / unit * unit
}

/// Formats a count of things that were estimated, with three significant digits.
pub(super) fn about(count: u64) -> String {
    grouped(three_digits(count))
}

/// Formats a share in whole percent; shows neither 0 % nor 100 %, because shares are measured inexactly.
pub(super) fn percent(share: f64) -> String {
    match share {
        _ if share >= 0.995 => "> 99 %".to_owned(),
        _ if share < 0.005 => "< 1 %".to_owned(),
        _ => format!("{:.0} %", share * 100.0),
    }
}

/// Formats a time in its two largest units: `22 s`, `4 min 12 s`, `3 h`, `2 d 5 h`.
pub(super) fn time(seconds: u64) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(minutes, "min", seconds % 60, "s"),
        3600..86_400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (per_second, text) in [
            (0.0, "0"),
            (f64::NAN, "0"),
            (-1.0, "0"),
            (0.44, "0.4"),
            (7.0, "7"),
            (9.96, "10"),
            (63.4, "63"),
            (999.4, "999"),
            (1_234.0, "1 230"),
            (84_437.3, "84 400"),
            (999_999.0, "1 000 000"),
        ] {
            assert_eq!(rate(per_second), text, "{per_second}");
        }
        assert_eq!([about(0), about(7), about(358_123)], ["0", "7", "358 000"]);
        assert_eq!([percent(1.0), percent(0.614), percent(0.0)], ["> 99 %", "61 %", "< 1 %"]);
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (252, "4 min 12 s"),
            (10_800, "3 h"),
            (11_520, "3 h 12 min"),
            (86_400, "1 d"),
            (190_800, "2 d 5 h"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn rounding_keeps_three_digits(count: u64) {
            let rounded = three_digits(count) as f64;
            prop_assert!((rounded - count as f64).abs() <= count as f64 * 0.005_1 + 1.0, "{rounded}");
        }
    }
}
