//! Decides whether XDP requires a retransmission: while more SYNs arrive than may get a cookie, it drops a new SYN and replies
//! to the retransmitted one. Pure.

use std::time::Duration;

use synguard_model::{event::AttackRates, time::Monotonic};

/// Time for which SYNs must exceed the rate of cookies before it begins.
const OVER: Duration = Duration::from_secs(2);
/// Time for which SYNs must be few before it ends.
const UNDER: Duration = Duration::from_secs(5);
/// The share of the SYNs at its beginning below which SYNs are few.
const UNDER_SHARE: f64 = 0.5;

/// A switch with hysteresis for the retransmission requirement.
#[derive(Clone, Debug, Default)]
pub(super) struct RetransmitSwitch {
    over_since: Option<Monotonic>,
    under_since: Option<Monotonic>,
    /// SYNs per second that needed a cookie when the requirement began; `None` while it is off.
    rate_at_begin: Option<f64>,
}

impl RetransmitSwitch {
    pub(super) const fn is_on(&self) -> bool {
        self.rate_at_begin.is_some()
    }

    /// Takes the rates at `now` into account, and reports whether a retransmission is required. Never if not `allowed`.
    pub(super) fn step(&mut self, allowed: bool, rates: &AttackRates, now: Monotonic) -> bool {
        if !allowed {
            *self = Self::default();
            return false;
        }
        let since = |since: Option<Monotonic>, holds: bool| holds.then(|| since.unwrap_or(now));
        let lasts = |since: Option<Monotonic>, time: Duration| since.is_some_and(|at| now.since(at) >= time);
        let rate = rates.xdp_cookie_rate + rates.over_cookie_limit + rates.first_syn_rate;
        self.over_since = since(self.over_since, rates.over_cookie_limit > 0.0);
        // Compares with the rate at the beginning: while first SYNs are dropped, none of them exceeds the rate of cookies.
        let is_under = self.rate_at_begin.is_some_and(|at_begin| rate < UNDER_SHARE * at_begin);
        self.under_since = since(self.under_since, is_under);
        match self.rate_at_begin {
            None if lasts(self.over_since, OVER) => self.rate_at_begin = Some(rate),
            Some(_) if lasts(self.under_since, UNDER) => *self = Self::default(),
            _ => {}
        }
        self.is_on()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 250_000_000;

    /// Returns the ticks at which the switch changes, given for each tick the SYNs that need a cookie and those over the rate.
    fn changes(ticks: impl IntoIterator<Item = (f64, f64)>) -> Vec<u64> {
        let mut switch = RetransmitSwitch::default();
        let mut changes = Vec::new();
        for (tick, (wanted, over_cookie_limit)) in ticks.into_iter().enumerate() {
            let was_on = switch.is_on();
            let xdp_cookie_rate = wanted - over_cookie_limit;
            let rates = AttackRates { xdp_cookie_rate, over_cookie_limit, ..AttackRates::default() };
            if switch.step(true, &rates, Monotonic::from_ns(7 + tick as u64 * TICK)) != was_on {
                changes.push(tick as u64);
            }
        }
        changes
    }

    fn ticks_of(ticks: usize, wanted: f64, over: f64) -> impl Iterator<Item = (f64, f64)> {
        std::iter::repeat_n((wanted, over), ticks)
    }

    #[test]
    fn switch_needs_two_seconds_on_and_five_off() {
        assert_eq!(changes(ticks_of(100, 900.0, 0.0)), [0u64; 0]);
        assert_eq!(changes(ticks_of(8, 1_000.0, 1.0).chain(ticks_of(90, 1_000.0, 0.0))), [0u64; 0]);
        let flood = || ticks_of(9, 3_000.0, 2_000.0);
        assert_eq!(changes(flood().chain(ticks_of(90, 3_000.0, 0.0))), [8]);
        assert_eq!(changes(flood().chain(ticks_of(90, 1_501.0, 0.0))), [8]);
        assert_eq!(changes(flood().chain(ticks_of(90, 1_499.0, 0.0))), [8, 29]);
        let pause = ticks_of(20, 100.0, 0.0).chain(ticks_of(1, 3_000.0, 0.0));
        assert_eq!(changes(flood().chain(pause).chain(ticks_of(90, 100.0, 0.0))), [8, 50]);
    }

    #[test]
    fn switch_is_off_at_once_if_not_allowed() {
        let mut switch = RetransmitSwitch::default();
        let rates = AttackRates { over_cookie_limit: 1.0, ..AttackRates::default() };
        for tick in 0..20 {
            switch.step(true, &rates, Monotonic::from_ns(tick * TICK));
        }
        assert!(switch.is_on());
        assert!(!switch.step(false, &rates, Monotonic::from_ns(20 * TICK)));
    }

    proptest! {
        /// Whatever the rates, the switch does not flap.
        #[test]
        fn switch_stays_on_for_five_seconds(pieces in prop::collection::vec((1usize..40, 0.0f64..4e3, 0.0f64..1.0), 1..40)) {
            let ticks = pieces.into_iter().flat_map(|(ticks, wanted, over)| {
                ticks_of(ticks, wanted, if over < 0.5 { 0.0 } else { wanted * over })
            });
            let changes = changes(ticks);
            for pair in changes.windows(2).filter(|pair| changes.iter().position(|at| *at == pair[0]).is_some_and(|i| i % 2 == 0)) {
                prop_assert!((pair[1] - pair[0]) * TICK >= UNDER.as_nanos() as u64, "{:?}", changes);
            }
        }
    }
}
