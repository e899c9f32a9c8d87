//! Numbers that an environment variable may set, such as the length of a campaign or a seed.

use std::{env, str::FromStr};

/// The number in a variable, or the default without it.
///
/// # Panics
/// When the variable holds no such number.
#[must_use]
pub fn number<T: FromStr>(variable: &str, default: T) -> T {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_without_a_value_leaves_the_default() {
        assert_eq!(number("SYNGUARD_TEST_UNSET", 7_u64), 7);
    }

    #[test]
    #[should_panic(expected = "is no number")]
    fn text_is_no_number() {
        let _ = number("PATH", 7_u64);
    }
}
