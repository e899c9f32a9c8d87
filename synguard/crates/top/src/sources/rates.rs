//! SYNs of each source between two readings of a table, in bounded memory. The time of its latest SYN identifies an idle
//! source, so only active sources cost anything, however many idle ones exist.
//!
//! Totals of the previous reading are kept of at most [`REMEMBERED_MAX`] sources. When there are more, those with the smallest
//! totals are forgotten, up to a *floor*: a source that was forgotten had sent at most so many SYNs. In a flood from forged
//! addresses nearly every source has sent one or two, so the floor is low and the sources that matter are exact.

use synguard_common::{
    gcra::CLOCK_STEP_NS,
    source::{SourceKey, SourceState},
};
use synguard_model::source::total_syns;

use super::seeded::SourceMap;

/// Maximum lag of a source's times behind the reader's clock: the program's clock moves in steps.
const SLACK_NS: u64 = 2 * CLOCK_STEP_NS;
/// Totals of vanished sources are discarded when there are this many times more totals than sources.
const STALE_FACTOR: usize = 2;
/// Number of totals that are always kept.
const KEPT_MIN: usize = 4096;
/// Maximum number of totals that are kept: 24 bytes each, and as much again in free slots.
const REMEMBERED_MAX: usize = 32_768;
/// Number of readings after which totals below the floor are tried again.
const FLOOR_READINGS: u32 = 8;

/// Totals of the previous reading.
#[derive(Debug, Default)]
pub struct Rates {
    totals: SourceMap<u64>,
    former: SourceMap<u64>,
    /// Highest total of a source that may be missing in `totals`, and in `former`.
    floor: u64,
    former_floor: u64,
    /// Readings since the totals were rebuilt.
    readings: u32,
    /// Start of the current reading and of the previous one; 0 before the first.
    at_ns: u64,
    before_ns: u64,
    /// Entries in the current reading.
    entries: usize,
    /// Set while the totals are being rebuilt.
    renewing: bool,
}

impl Rates {
    /// Starts a reading at `now_ns`.
    pub fn begin(&mut self, now_ns: u64) {
        self.before_ns = self.at_ns;
        self.at_ns = now_ns;
        self.readings += 1;
        self.former.clear();
        let are_stale = self.totals.len() > KEPT_MIN.max(self.entries * STALE_FACTOR);
        self.renewing = are_stale || (self.floor > 0 && self.readings >= FLOOR_READINGS);
        if self.renewing {
            // Both keep their memory.
            std::mem::swap(&mut self.totals, &mut self.former);
            self.former_floor = self.floor;
            self.floor /= 4;
            self.readings = 0;
        }
        self.entries = 0;
    }

    /// Returns the seconds between the current reading and the previous one; 0 for the first.
    pub fn seconds(&self) -> f64 {
        if self.before_ns == 0 { 0.0 } else { self.at_ns.saturating_sub(self.before_ns) as f64 / 1e9 }
    }

    /// Returns the SYNs of a source since the previous reading: 0 in the first reading, and for a source that
    /// existed before but was not read. For one that was forgotten it is an estimate.
    pub fn fresh(&mut self, key: &SourceKey, state: &SourceState) -> u64 {
        self.entries += 1;
        let first = self.before_ns == 0;
        let since_ns = self.before_ns.saturating_sub(SLACK_NS);
        let is_idle = state.last_seen_ns < since_ns;
        if !first && !self.renewing && is_idle {
            return 0;
        }
        let now = total_syns(state);
        let known = self.remember(key, now);
        if first {
            return 0;
        }
        match known {
            // A recreated entry counts from zero.
            Some(before) if before <= now => now - before,
            Some(_) => now,
            None if state.first_seen_ns >= since_ns => now,
            None if is_idle => 0,
            None => self.estimate(state, now),
        }
    }

    /// Replaces the total of a source, and returns the one before.
    fn remember(&mut self, key: &SourceKey, total: u64) -> Option<u64> {
        let before = if total > self.floor {
            if self.totals.len() >= REMEMBERED_MAX && !self.totals.contains_key(key) {
                self.forget_smallest();
            }
            self.totals.insert(*key, total)
        } else {
            self.totals.remove(key)
        };
        before.or_else(|| self.former.get(key).copied())
    }

    /// Raises the floor until a quarter of the totals is forgotten.
    fn forget_smallest(&mut self) {
        while self.totals.len() > REMEMBERED_MAX / 4 * 3 {
            self.floor = self.floor * 2 + 1;
            let floor = self.floor;
            self.totals.retain(|_, total| *total > floor);
        }
    }

    /// Estimates the SYNs since the previous reading of a source whose total was forgotten: as many as it has sent in a time of
    /// this length on average, or all above the floor if these are more. Without forgotten totals the source was not read before,
    /// and nothing is known.
    fn estimate(&self, state: &SourceState, total: u64) -> u64 {
        let floor = if self.renewing { self.former_floor } else { self.floor };
        if floor == 0 {
            return 0;
        }
        let age_ns = self.at_ns.saturating_sub(state.first_seen_ns).max(1);
        let span_ns = self.at_ns.saturating_sub(self.before_ns);
        let mean = total as f64 * (span_ns as f64 / age_ns as f64).min(1.0);
        total.saturating_sub(floor).max(mean as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_common::addr::Addr;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn key(number: u64) -> SourceKey {
        SourceKey { address: Addr([0, number]) }
    }

    fn state(passed: u64, dropped: u64, first: u64, last: u64) -> SourceState {
        SourceState { passed, dropped, first_seen_ns: first, last_seen_ns: last, ..SourceState::default() }
    }

    #[test]
    fn the_first_reading_has_no_rates_and_the_second_has() {
        let mut rates = Rates::default();
        rates.begin(10 * SECOND);
        assert_eq!(rates.fresh(&key(1), &state(100, 900, SECOND, 10 * SECOND)), 0);
        assert_eq!(rates.seconds(), 0.0);
        rates.begin(12 * SECOND);
        assert_eq!(rates.seconds(), 2.0);
        assert_eq!(rates.fresh(&key(1), &state(101, 939, SECOND, 12 * SECOND)), 40);
        assert_eq!(rates.fresh(&key(2), &state(7, 0, 11 * SECOND, 11 * SECOND)), 7, "new since");
        assert_eq!(rates.fresh(&key(3), &state(7, 0, SECOND, 11 * SECOND)), 0, "missed before");
    }

    #[test]
    fn evicted_entry_that_returns_counts_from_zero() {
        let mut rates = Rates::default();
        rates.begin(10 * SECOND);
        rates.fresh(&key(1), &state(1000, 0, SECOND, 9 * SECOND));
        rates.begin(11 * SECOND);
        assert_eq!(rates.fresh(&key(1), &state(30, 0, 10 * SECOND, 11 * SECOND)), 30);
    }

    #[test]
    fn forgotten_source_that_begins_to_flood_is_seen_at_once() {
        let mut rates = Rates::default();
        rates.begin(100 * SECOND);
        for i in 0..60_000 {
            rates.fresh(&key(1000 + i), &state(2, 0, SECOND, 100 * SECOND));
        }
        rates.fresh(&key(1), &state(1, 0, SECOND, 50 * SECOND));
        rates.begin(101 * SECOND);
        let fresh = rates.fresh(&key(1), &state(10_001, 0, SECOND, 101 * SECOND));
        assert!((9_990..=10_000).contains(&fresh), "{fresh}");
        // One that goes on as before has its mean rate.
        let fresh = rates.fresh(&key(1000), &state(200, 0, SECOND, 101 * SECOND));
        assert!((1..=200).contains(&fresh), "{fresh}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// For any behaviour of the sources and any sequence of readings, the sum of fresh SYNs equals the SYNs sent since the
        /// first reading.
        #[test]
        fn nothing_is_lost_and_nothing_counted_twice(
            sent in prop::collection::vec(prop::collection::vec(0u64..3, 8), 1..12),
        ) {
            let mut rates = Rates::default();
            let mut states = [SourceState::default(); 8];
            let mut fresh = [0; 8];
            rates.begin(SECOND);
            for (round, sent) in sent.iter().enumerate() {
                let at_ns = SECOND * (round as u64 + 2);
                for (state, &sent) in states.iter_mut().zip(sent).filter(|(_, sent)| **sent > 0) {
                    if state.first_seen_ns == 0 {
                        state.first_seen_ns = at_ns - SECOND / 2;
                    }
                    state.last_seen_ns = at_ns - SECOND / 2;
                    state.passed += sent;
                }
                rates.begin(at_ns);
                for (i, state) in states.iter().enumerate().filter(|(_, state)| state.passed > 0) {
                    fresh[i] += rates.fresh(&key(i as u64), state);
                }
            }
            prop_assert_eq!(fresh, states.map(|state| state.passed));
        }

        /// Sources that appear once and vanish do not accumulate.
        #[test]
        fn vanished_source_is_forgotten(rounds in 5u64..10) {
            let mut rates = Rates::default();
            for round in 1..=rounds {
                rates.begin(round * SECOND);
                for i in 0..3000 {
                    let at = round * SECOND;
                    rates.fresh(&key(round * 3000 + i), &state(1, 0, at, at));
                }
            }
            prop_assert!(rates.totals.len() <= 3 * 3000, "{}", rates.totals.len());
        }

        /// However many sources there are, memory is bounded, and a source with many SYNs keeps its exact rate.
        #[test]
        fn memory_is_bounded_and_busy_sources_are_exact(rounds in 3u64..12, small in 1u64..4) {
            let mut rates = Rates::default();
            for round in 1..=rounds {
                let at = round * SECOND;
                rates.begin(at);
                for i in 0..40_000 {
                    rates.fresh(&key(1000 + i), &state(small * round, 0, SECOND / 2, at));
                }
                let fresh = rates.fresh(&key(1), &state(5000 * round, 0, SECOND / 2, at));
                prop_assert_eq!(fresh, if round == 1 { 0 } else { 5000 });
                prop_assert!(rates.totals.len() <= REMEMBERED_MAX && rates.former.len() <= REMEMBERED_MAX);
            }
        }

        /// Rebuilding the totals loses no source that still exists.
        #[test]
        fn a_source_keeps_its_rate_while_others_come_and_go(rounds in 4u64..12) {
            let mut rates = Rates::default();
            for round in 1..=rounds {
                let at = round * SECOND;
                rates.begin(at);
                for i in 0..3000 {
                    rates.fresh(&key(round * 3000 + i), &state(1, 0, at, at));
                }
                // Idle until the last round.
                let last = if round == rounds { at } else { SECOND };
                let sent = if round == rounds { 50 } else { 10 };
                let fresh = rates.fresh(&key(1), &state(sent, 0, SECOND / 2, last));
                prop_assert_eq!(fresh, if round == rounds { 40 } else { 0 });
            }
        }
    }
}
