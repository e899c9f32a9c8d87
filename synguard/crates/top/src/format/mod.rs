//! Formats numbers in few columns and makes foreign text harmless. Pure.

pub(crate) mod squeeze;
pub(crate) mod wrap;

pub use synguard_model::number::grouped;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The mark for omitted text.
pub(crate) const ELLIPSIS: char = '…';

/// Formats a count in at most five columns: `9999`, `12.3k`, `1.23M`.
pub fn short(count: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1_000_000_000_000_000_000, "E"),
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    if count < 10_000 {
        return count.to_string();
    }
    // Truncated, not rounded: 999 999 is not yet a million.
    match UNITS.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => {
            let (whole, rest) = (count / unit, count % unit);
            match whole {
                0..10 => format!("{whole}.{:02}{name}", rest / (unit / 100)),
                10..100 => format!("{whole}.{}{name}", rest / (unit / 10)),
                _ => format!("{whole}{name}"),
            }
        }
        None => count.to_string(),
    }
}

/// Formats a rate, rounded to a whole number; a slow rate keeps one decimal, because it is not zero.
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate > 0.0 && rate < 9.95 => format!("{rate:.1}"),
        // NaN and negative values count as 0.
        rate => short(rate.round() as u64),
    }
}

/// Formats a time in at most four columns: `59s`, `59m`, `23h`, `999d`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400..86_400_000 => format!("{}d", seconds / 86_400),
        _ => "long".to_owned(),
    }
}

/// Formats a share in whole percent; shows neither 0 % nor 100 % where the share is only close to it.
pub fn percent(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    match share {
        _ if share > 0.0 && share < 0.005 => "<1%".to_owned(),
        _ if (0.995..1.0).contains(&share) => ">99%".to_owned(),
        _ => format!("{:.0}%", share * 100.0),
    }
}

/// Makes foreign text harmless on a terminal: characters that would move the cursor, change colours or reverse the line
/// become visible signs.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect()
}

fn is_harmless(c: char) -> bool {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    !c.is_control() && !turns && c.width().is_some_and(|width| width > 0)
}

/// Cuts a text to at most `width` columns; the last column marks a cut.
pub fn fit(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.width() <= width {
        return text;
    }
    let mut fitted = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        fitted.push(c);
        used += columns;
    }
    if width > 0 {
        fitted.push(ELLIPSIS);
    }
    fitted
}

/// Pads or cuts a text to exactly `width` columns, aligned left.
pub fn left(text: &str, width: usize) -> String {
    let fitted = fit(text, width);
    let gap = width.saturating_sub(fitted.width());
    fitted + &" ".repeat(gap)
}

/// Pads or cuts a text to exactly `width` columns, aligned right.
pub fn right(text: &str, width: usize) -> String {
    let fitted = fit(text, width);
    " ".repeat(width.saturating_sub(fitted.width())) + &fitted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_are_short_and_never_too_high() {
        for (count, text) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (12_345, "12.3k"),
            (999_999, "999k"),
            (1_000_000, "1.00M"),
            (1_239_999, "1.23M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short(count), text);
        }
        for (per_second, text) in [(0.0, "0"), (0.04, "0.0"), (9.94, "9.9"), (9.96, "10"), (99.6, "100")] {
            assert_eq!(rate(per_second), text);
        }
        assert_eq!((rate(f64::NAN), rate(-1.0)), ("0".to_owned(), "0".to_owned()));
        assert_eq!((grouped(1_234_567), grouped(999)), ("1 234 567".to_owned(), "999".to_owned()));
        assert_eq!([0, 59, 60, 3600, 90_000].map(age), ["0s", "59s", "1m", "1h", "1d"]);
        assert_eq!([0.0, 0.001, 0.5, 0.996, 1.0].map(percent), ["0%", "<1%", "50%", ">99%", "100%"]);
    }

    #[test]
    fn long_text_is_cut_and_hostile_text_is_replaced() {
        assert_eq!(fit("198.51.100.1", 12), "198.51.100.1");
        assert_eq!(fit("198.51.100.1", 8), "198.51.…");
        assert_eq!(left("日本語", 5), "日本…");
        assert_eq!(left("日本語", 4), "日… ");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(plain("e\u{1b}[2J\u{202e}x\u{0301}"), "e\u{fffd}[2J\u{fffd}x\u{fffd}");
    }

    proptest! {
        #[test]
        fn a_text_has_exactly_the_columns_asked_for(text: String, width in 0usize..40) {
            for fitted in [left(&text, width), right(&text, width)] {
                prop_assert_eq!(fitted.width(), width);
                prop_assert!(!fitted.chars().any(char::is_control));
            }
        }

        #[test]
        fn figures_fit_their_columns(count: u64, seconds: u64, share: f64) {
            prop_assert!(short(count).len() <= 5);
            prop_assert!(rate(count as f64).len() <= 5);
            prop_assert!(age(seconds).len() <= 4);
            prop_assert!(percent(share).len() <= 4);
        }
    }
}
