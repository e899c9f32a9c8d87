//! The two clocks, and the conversion between them: files keep wall-clock time, the filter keeps `CLOCK_MONOTONIC`. Pure.

use std::{
    num::NonZeroU64,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// An instant of `CLOCK_MONOTONIC`, the clock that is also the datapath's. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Monotonic(u64);

impl Monotonic {
    /// Converts nanoseconds of the clock, as maps hold them.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Returns the nanoseconds of the clock.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Returns the time since an earlier instant; none if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Monotonic {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The present time on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, by the wall clock.
    pub wall_ms: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}

impl Now {
    /// Converts a wall-clock time into nanoseconds of `CLOCK_MONOTONIC`. A time before the boot becomes 1, because 0
    /// means "never".
    pub(crate) fn monotonic_at(self, wall_ms: u64) -> u64 {
        let at = if wall_ms >= self.wall_ms {
            self.monotonic_ns.saturating_add((wall_ms - self.wall_ms).saturating_mul(1_000_000))
        } else {
            self.monotonic_ns.saturating_sub((self.wall_ms - wall_ms).saturating_mul(1_000_000))
        };
        at.max(1)
    }

    /// Converts nanoseconds of `CLOCK_MONOTONIC` into milliseconds since 1970, rounded to the nearest.
    pub fn wall_at(self, monotonic_ns: u64) -> u64 {
        let to_ms = |ns: u64| ns.saturating_add(500_000) / 1_000_000;
        if monotonic_ns >= self.monotonic_ns {
            self.wall_ms.saturating_add(to_ms(monotonic_ns - self.monotonic_ns))
        } else {
            self.wall_ms.saturating_sub(to_ms(self.monotonic_ns - monotonic_ns))
        }
    }

    /// Returns the expiry of a time to live that begins now, in milliseconds since 1970.
    pub fn expiry_after(self, ttl: Duration) -> NonZeroU64 {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        NonZeroU64::new(self.wall_ms.saturating_add(ttl_ms)).unwrap_or(NonZeroU64::MIN)
    }
}

/// Formats a remaining time with its two largest units, rounded up to whole seconds, such as `2h 3m`.
pub fn format_left(time: Duration) -> String {
    let mut seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let mut parts = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = seconds / length;
        seconds %= length;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn remaining_times_are_formatted() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1s"),
            (59_000, "59s"),
            (59_001, "1m"),
            (61_000, "1m 1s"),
            (7_380_000, "2h 3m"),
            (7_389_000, "2h 3m"),
            (7_200_000, "2h"),
            (7_205_000, "2h"),
            (90_000_000, "1d 1h"),
            (86_460_000, "1d"),
        ] {
            assert_eq!(format_left(Duration::from_millis(ms)), text, "{ms}");
        }
    }

    #[test]
    fn past_times_become_1_not_0() {
        let now = Now { wall_ms: 1_000_000, monotonic_ns: 5_000_000 };
        assert_eq!(now.monotonic_at(0), 1);
        assert_eq!(now.monotonic_at(1_000_000), 5_000_000);
        assert_eq!(now.monotonic_at(999_999), 4_000_000);
        assert_eq!(now.monotonic_at(u64::MAX), u64::MAX);
        assert_eq!(now.expiry_after(Duration::from_secs(1)).get(), 1_001_000);
    }

    proptest! {
        #[test]
        fn conversion_round_trips(wall_ms in 0..u64::MAX / 4_000_000, ns in 0..u64::MAX / 4, at in 0..u64::MAX / 4_000_000) {
            let now = Now { wall_ms, monotonic_ns: ns };
            let there = now.monotonic_at(at);
            // A time before the boot has no counterpart on CLOCK_MONOTONIC.
            if there > 1 {
                prop_assert_eq!(now.wall_at(there), at);
            }
        }

        #[test]
        fn remaining_time_is_equal_on_both_clocks(wall_ms in 0..u64::MAX / 4_000_000, ns in 0..u64::MAX / 4, left_ms in 1..1_000_000_000u64) {
            let now = Now { wall_ms, monotonic_ns: ns };
            let expiry = now.expiry_after(Duration::from_millis(left_ms)).get();
            prop_assert_eq!(now.monotonic_at(expiry) - ns, left_ms * 1_000_000);
        }
    }
}
