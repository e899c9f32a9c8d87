//! Who gets an entry in a table of limited size: the rule that keeps forged sources out of it. Pure; each CPU
//! has its own state, so nothing here is shared.
//!
//! In calm every new source is given an entry and counted exactly. When new sources come faster than
//! [`INSERT_LIMIT`], the CPU turns *crowded*: the sketch stands in front of the table, and only a source whose
//! estimate has reached the promotion mark is looked up and, if need be, given an entry. Crowding ends
//! [`PRESSURE_NS`] after new sources have last come too fast. If even the promoted are too many – the line is so
//! fast that collisions lift everybody over the mark – the mark is raised for a while.

use crate::gcra::{self, RateLimit};

/// Entries a CPU may give to new sources without asking the sketch: 10 000 a second, 20 000 at once.
pub const INSERT_LIMIT: RateLimit = RateLimit::new(10_000, 20_000);
/// Entries a CPU may give to promoted sources while crowded: 5000 a second, 10 000 at once.
pub const PROMOTION_LIMIT: RateLimit = RateLimit::new(5_000, 10_000);
/// Estimate from which a source is looked up while crowded. A steady sender of `mark` SYNs an epoch (123 a
/// second) always has it, see [`crate::count_min`].
pub const PROMOTION_THRESHOLD: u32 = 16;
/// The mark while too many are promoted.
pub const PROMOTION_THRESHOLD_RAISED: u32 = 256;
/// How long a CPU stays crowded after new sources have last come too fast, in nanoseconds.
pub const PRESSURE_NS: u64 = 2_000_000_000;
/// How long the mark stays raised, in nanoseconds.
pub const THRESHOLD_RAISED_NS: u64 = 1_000_000_000;

/// A CPU's state for one table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The bucket of [`INSERT_LIMIT`].
    pub insert_tat_ns: u64,
    /// The bucket of [`PROMOTION_LIMIT`].
    pub promotion_tat_ns: u64,
    /// Crowded until then.
    pub pressure_until_ns: u64,
    /// The mark is raised until then.
    pub threshold_raised_until_ns: u64,
    /// Sources that were given an entry.
    pub inserts: u64,
    /// Those of them that the sketch promoted.
    pub promotions: u64,
    /// SYNs that passed without an entry to be charged to.
    pub not_admitted: u64,
}

impl Admission {
    /// Whether the sketch stands in front of the table.
    #[inline(always)]
    pub const fn is_under_pressure(&self, now_ns: u64) -> bool {
        now_ns < self.pressure_until_ns
    }

    /// The estimate from which a source is looked up while crowded.
    #[inline(always)]
    pub const fn promotion_threshold(&self, now_ns: u64) -> u32 {
        if now_ns < self.threshold_raised_until_ns { PROMOTION_THRESHOLD_RAISED } else { PROMOTION_THRESHOLD }
    }

    /// Takes notice of a new source: whether it may have an entry without further ado. If not, the CPU is
    /// crowded from now on, or for longer.
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

    /// Whether a source that has reached the mark may have an entry. If not, the mark is raised.
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

    /// New sources at `rate` a second for `seconds`: the state after, and how many were let in.
    fn flood(mut state: Admission, from_ns: u64, rate: u64, seconds: u64) -> (Admission, u64) {
        let admitted = (0..rate * seconds).filter(|i| state.admit_new(from_ns + i * SECOND / rate)).count();
        (state, admitted as u64)
    }

    #[test]
    fn calm_lets_everybody_in_and_a_flood_ends_that_within_the_burst() {
        let (calm, admitted) = flood(Admission::default(), SECOND, 9_000, 10);
        assert_eq!((calm.is_under_pressure(11 * SECOND), admitted), (false, 90_000));
        let (crowded, admitted) = flood(Admission::default(), SECOND, 1_000_000, 1);
        assert!(crowded.is_under_pressure(2 * SECOND));
        assert!(admitted <= 30_001, "{admitted}");
    }

    #[test]
    fn crowding_lasts_as_long_as_the_flood_and_two_seconds_more() {
        let (state, _) = flood(Admission::default(), SECOND, 100_000, 3);
        assert!(state.is_under_pressure(6 * SECOND - SECOND / 10));
        assert!(!state.is_under_pressure(6 * SECOND + SECOND / 10));
        // Traffic that the limit allows does not prolong it.
        let (state, _) = flood(state, 4 * SECOND, 5_000, 3);
        assert!(!state.is_under_pressure(7 * SECOND));
    }

    #[test]
    fn too_many_promotions_raise_the_mark_for_a_second() {
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
