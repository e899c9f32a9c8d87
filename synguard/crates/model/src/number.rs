//! Numbers in text. Pure.

use std::fmt::{self, Display, Formatter};

/// Formats a count with its thousands separated.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Formats a measurement as [`grouped`] formats a count, rounded to a whole number.
pub fn grouped_rate(per_second: f64) -> String {
    // NaN and negative values count as 0.
    grouped(per_second.round() as u64)
}

/// A count with its noun: `1 source`, `1 083 sources`.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a>(pub u64, pub &'a str);

impl Display for Counted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(f, "{} {}", grouped(*count), plural(*count, noun))
    }
}

/// Returns the noun in its plural, unless there is one.
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thousands_are_separated() {
        let table = [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")];
        for (count, text) in table {
            assert_eq!(grouped(count), text);
        }
        assert_eq!([84_599.6, 0.4, f64::NAN, -1.0].map(grouped_rate), ["84 600", "0", "0", "0"]);
    }

    #[test]
    fn one_is_singular() {
        let counted = [0, 1, 2, 1_083].map(|count| Counted(count, "source").to_string());
        assert_eq!(counted, ["0 sources", "1 source", "2 sources", "1 083 sources"]);
    }

    proptest! {
        #[test]
        fn groups_keep_every_digit(count: u64) {
            let text = grouped(count);
            prop_assert_eq!(text.replace(' ', ""), count.to_string());
            prop_assert!(text.split(' ').skip(1).all(|group| group.len() == 3));
        }
    }
}
