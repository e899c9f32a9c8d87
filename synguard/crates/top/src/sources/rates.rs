//! SYNs of each source between two readings of a table. The time of its latest SYN identifies an idle source,
//! so only active sources cost anything, however many idle ones exist.

use std::collections::HashMap;

use synguard_common::{
    gcra::CLOCK_STEP_NS,
    source::{SourceKey, SourceState},
};
use synguard_model::source::total_syns;

/// Maximum lag of a source's times behind the reader's clock: the program's clock moves in steps.
const SLACK_NS: u64 = 2 * CLOCK_STEP_NS;
/// Totals of vanished sources are discarded when there are this many times more totals than sources.
const STALE_FACTOR: usize = 2;
/// Number of totals that are always kept.
const KEPT_MIN: usize = 4096;

/// Totals of the previous reading.
#[derive(Debug, Default)]
pub struct Rates {
    totals: HashMap<SourceKey, u64>,
    former: HashMap<SourceKey, u64>,
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
        self.former = HashMap::new();
        self.renewing = self.totals.len() > KEPT_MIN.max(self.entries * STALE_FACTOR);
        if self.renewing {
            self.former = std::mem::take(&mut self.totals);
        }
        self.entries = 0;
    }

    /// Returns the seconds between the current reading and the previous one; 0 for the first.
    pub fn seconds(&self) -> f64 {
        if self.before_ns == 0 { 0.0 } else { self.at_ns.saturating_sub(self.before_ns) as f64 / 1e9 }
    }

    /// Returns the SYNs of a source since the previous reading: 0 in the first reading, and for a source that
    /// existed before but was not read.
    pub fn fresh(&mut self, key: &SourceKey, state: &SourceState) -> u64 {
        self.entries += 1;
        let first = self.before_ns == 0;
        let since_ns = self.before_ns.saturating_sub(SLACK_NS);
        if !first && !self.renewing && state.last_seen_ns < since_ns {
            return 0;
        }
        let now = total_syns(state);
        let known = self.totals.insert(*key, now).or_else(|| self.former.get(key).copied());
        if first {
            return 0;
        }
        match known {
            // A recreated entry counts from zero.
            Some(before) if before <= now => now - before,
            Some(_) => now,
            None if state.first_seen_ns >= since_ns => now,
            None => 0,
        }
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
