//! What can be wrong with settings: one line each, naming the place and the remedy.

use super::{Key, SYN_BURST, ValueError};

/// Why a setting was not accepted; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such key.
    #[error("{key}: unknown key: {hint}")]
    Unknown {
        /// The key, fit to be shown.
        key: String,
        /// What to write instead.
        hint: String,
    },
    /// The key is an option of `attach`.
    #[error("{0}: cannot be changed while attached: detach, then attach with the new value")]
    NotLive(Key),
    /// The key was given more than once.
    #[error("{0}: given more than once: name each setting once")]
    Twice(Key),
    /// The value is not one of those accepted.
    #[error("{key} = {given}: {problem}")]
    Value {
        /// The key.
        key: Key,
        /// The value, fit to be shown.
        given: String,
        /// What is wrong and what is accepted.
        problem: ValueError,
    },
    /// The burst is too small for the rate: sources at the rate itself would be refused.
    #[error(
        "syn-burst = {burst}: must be {min} to {max} SYNs with syn-rate = {rate}: \
         set a larger syn-burst or a lower syn-rate", max = SYN_BURST.max
    )]
    Burst {
        /// The burst, in SYNs.
        burst: u32,
        /// The lowest burst for the rate, in SYNs.
        min: u32,
        /// The rate, in SYNs a second.
        rate: u32,
    },
}

/// Most characters of somebody's input that a message repeats.
const SHOWN_MAX: usize = 60;

/// Input as it can be shown in a message: one line, without control characters, shortened.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_shown_on_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}[1m é"), "a\\nb\\u{1b}[1m é");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), SHOWN_MAX + 1);
    }
}
