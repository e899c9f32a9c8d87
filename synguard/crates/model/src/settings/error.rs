//! Errors of settings: one line each, naming the key and the remedy.

use synguard_common::gcra::BURST_MAX;

use super::{key::RenamedKey, table::Key, value::ValueError};

/// A setting was not accepted; no setting was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No key has that name.
    #[error("{key}: unknown key: {hint}")]
    Unknown {
        /// The name, made printable by [`shown`].
        key: String,
        hint: String,
    },
    /// The key is an option of `attach`.
    #[error("{0}: cannot be changed while attached: detach, then attach with the new value")]
    NotLive(Key),
    #[error("{0}: given more than once: name each setting once")]
    Twice(Key),
    /// The key was given by its name and by its old name.
    #[error("{}: given more than once, as {} too, its old name: keep {}", .0.key, .0.old, .0.key)]
    BothNames(RenamedKey),
    #[error("{key} = {given}: {problem}")]
    Value {
        key: Key,
        /// The value, made printable by [`shown`].
        given: String,
        problem: ValueError,
    },
    /// The burst is too small for the rate: sources at the rate itself would exceed it.
    #[error(
        "syn-burst = {burst}: must be {min} to {BURST_MAX} SYNs with syn-rate = {rate}: \
         set a larger syn-burst or a lower syn-rate"
    )]
    Burst {
        burst: u32,
        /// The smallest burst for the rate.
        min: u32,
        rate: u32,
    },
}

/// Most characters of an operator's input that a message repeats.
const SHOWN_MAX: usize = 60;

/// Returns input as a message can show it: on one line, without control characters, shortened.
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
    fn shown_input_is_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}[1m é"), "a\\nb\\u{1b}[1m é");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), SHOWN_MAX + 1);
    }
}
