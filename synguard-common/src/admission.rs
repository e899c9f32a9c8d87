//! Admission to a table of limited size: the rule that keeps forged sources out of it. Pure; each CPU has its own state, so
//! nothing here is shared.
//!
//! Normally every new source gets an entry, and its SYNs are counted exactly. When new sources exceed [`INSERT_LIMIT`], the
//! CPU goes *under pressure*: the sketch then stands in front of the table, and the program looks up, and if necessary
//! admits, only sources whose estimate has reached the promotion threshold. The pressure ends [`PRESSURE_NS`] after new
//! sources last exceeded the limit. If even promoted sources are too many, because the line is so fast that collisions
//! lift every source over the threshold, the threshold is raised for a while.

use crate::gcra::{self, RateLimit};

/// New sources that one CPU admits without consulting the sketch: 10 000 a second, 20 000 at once.
pub const INSERT_LIMIT: RateLimit = RateLimit::new(10_000, 20_000);
/// Promoted sources that one CPU admits while under pressure: 5000 a second, 10 000 at once.
pub const PROMOTION_LIMIT: RateLimit = RateLimit::new(5_000, 10_000);
/// Estimate from which a source is looked up while under pressure. A sender with a steady rate of this many SYNs an epoch
/// (123 a second) always reaches it, see [`crate::count_min`].
pub const PROMOTION_THRESHOLD: u32 = 16;
/// Promotion threshold while too many sources are promoted.
pub const PROMOTION_THRESHOLD_RAISED: u32 = 256;
/// Duration of the pressure after new sources last exceeded the limit, in nanoseconds.
pub const PRESSURE_NS: u64 = 2_000_000_000;
/// Duration of a raised threshold, in nanoseconds.
pub const THRESHOLD_RAISED_NS: u64 = 1_000_000_000;

/// The state of one CPU for one table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// State of [`INSERT_LIMIT`].
    pub insert_tat_ns: u64,
    /// State of [`PROMOTION_LIMIT`].
    pub promotion_tat_ns: u64,
    /// End of the pressure.
    pub pressure_until_ns: u64,
    /// End of the raised threshold.
    pub threshold_raised_until_ns: u64,
    /// Admitted sources.
    pub inserts: u64,
    /// Admitted sources that the sketch promoted.
    pub promotions: u64,
    /// SYNs that passed without an entry to charge.
    pub not_admitted: u64,
}

impl Admission {
    /// Reports whether the sketch stands in front of the table.
    #[inline(always)]
    pub const fn is_under_pressure(&self, now_ns: u64) -> bool {
        now_ns < self.pressure_until_ns
    }

    /// Returns the estimate from which a source is looked up while under pressure.
    #[inline(always)]
    pub const fn promotion_threshold(&self, now_ns: u64) -> u32 {
        if now_ns < self.threshold_raised_until_ns { PROMOTION_THRESHOLD_RAISED } else { PROMOTION_THRESHOLD }
    }

    /// Charges a new source to [`INSERT_LIMIT`] and reports whether it may have an entry. If not, the pressure starts, or is
    /// extended.
    #[inline(always)]
    pub const fn admit_new(&mut self, now_ns: u64) -> bool {
        match gcra::take(self.insert_tat_ns, INSERT_LIMIT, now_ns) {
            Some(tat_ns) => {
                self.insert_tat_ns = tat_ns;
                true
            }
            None => {
                self.pressure_until_ns = now_ns + PRESSURE_NS;
                false
            }
        }
    }

    /// Charges a source that has reached the threshold to [`PROMOTION_LIMIT`] and reports whether it may have an entry. If
    /// not, the threshold is raised.
    #[inline(always)]
    pub const fn promote(&mut self, now_ns: u64) -> bool {
        match gcra::take(self.promotion_tat_ns, PROMOTION_LIMIT, now_ns) {
            Some(tat_ns) => {
                self.promotion_tat_ns = tat_ns;
                true
            }
            None => {
                self.threshold_raised_until_ns = now_ns + THRESHOLD_RAISED_NS;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Feeds `rate` new sources a second for `seconds`. Returns the state afterwards and the number of admitted sources.
    fn flood(mut state: Admission, from_ns: u64, rate: u64, seconds: u64) -> (Admission, u64) {
        let admitted = (0..rate * seconds).filter(|i| state.admit_new(from_ns + i * SECOND / rate)).count();
        (state, admitted as u64)
    }

    #[test]
    fn flood_of_new_sources_is_stopped_within_the_burst() {
        let (calm, admitted) = flood(Admission::default(), SECOND, 9_000, 10);
        assert_eq!((calm.is_under_pressure(11 * SECOND), admitted), (false, 90_000));
        let (flooded, admitted) = flood(Admission::default(), SECOND, 1_000_000, 1);
        assert!(flooded.is_under_pressure(2 * SECOND));
        assert!(admitted <= 30_001, "{admitted}");
    }

    #[test]
    fn pressure_lasts_two_seconds_longer_than_the_flood() {
        let (state, _) = flood(Admission::default(), SECOND, 100_000, 3);
        assert!(state.is_under_pressure(6 * SECOND - SECOND / 10));
        assert!(!state.is_under_pressure(6 * SECOND + SECOND / 10));
        // Traffic within the limit does not extend the pressure.
        let (state, _) = flood(state, 4 * SECOND, 5_000, 3);
        assert!(!state.is_under_pressure(7 * SECOND));
    }

    #[test]
    fn many_promotions_raise_threshold_for_a_second() {
        let mut state = Admission::default();
        let promoted = (0..20_000u64).filter(|i| state.promote(SECOND + i)).count();
        assert_eq!(promoted as u64, 10_000);
        assert_eq!(state.promotion_threshold(SECOND + 20_000), PROMOTION_THRESHOLD_RAISED);
        assert_eq!(state.promotion_threshold(3 * SECOND), PROMOTION_THRESHOLD);
    }

    proptest! {
        #[test]
        fn entries_for_new_sources_are_bounded(gaps in prop::collection::vec(0u64..2_000_000, 1..2_000)) {
            let mut state = Admission::default();
            let mut now = SECOND;
            let mut admitted = 0u64;
            for gap in &gaps {
                now += gap;
                admitted += u64::from(state.admit_new(now));
            }
            prop_assert!(admitted <= 20_000 + (now - SECOND) / INSERT_LIMIT.interval_ns + 1);
        }
    }
}
