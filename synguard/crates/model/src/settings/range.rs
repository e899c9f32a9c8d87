//! Ranges of numbers and durations, with the text that messages and help state them in.

use std::{fmt, time::Duration};

use crate::duration;

/// Whole numbers from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    pub min: u32,
    pub max: u32,
    /// The unit, for messages.
    pub unit: &'static str,
}

/// Durations from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    pub min: Duration,
    pub max: Duration,
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.min, self.max, self.unit)
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration of {} to {}", duration::format(self.min), duration::format(self.max))
    }
}
