//! Whether a new SYN is to be dropped and only the one that is sent again to be answered: while more come than may be
//! answered. Pure.

use synguard_model::event::AttackRates;

/// How long SYNs have to be over the rate of answers, in nanoseconds.
const OVER_NS: u64 = 2_000_000_000;
/// How long they have to be few enough for it to end, in nanoseconds.
const UNDER_NS: u64 = 5_000_000_000;
/// What few enough is: this share of what they were when it began.
const UNDER: f64 = 0.5;

/// Remembers for how long it has been so.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstSyn {
    over_since_ns: Option<u64>,
    under_since_ns: Option<u64>,
    /// SYNs a second that wanted an answer when it began; `None` while it is off.
    began_at: Option<f64>,
}

impl FirstSyn {
    pub(super) const fn is_on(&self) -> bool {
        self.began_at.is_some()
    }

    /// Takes what was seen until `now_ns` into account. It is never on where it `may` not be.
    pub(super) fn step(&mut self, may: bool, numbers: &AttackRates, now_ns: u64) -> bool {
        if !may {
            *self = Self::default();
            return false;
        }
        let since = |since: Option<u64>, holds: bool| holds.then(|| since.unwrap_or(now_ns));
        let lasts = |since: Option<u64>, ns: u64| since.is_some_and(|at| now_ns.saturating_sub(at) >= ns);
        let wanted = numbers.answered_rate + numbers.over_budget_rate + numbers.first_syn_rate;
        self.over_since_ns = since(self.over_since_ns, numbers.over_budget_rate > 0.0);
        // It is what was over the rate then that has to have gone: the same number of first SYNs is dropped unseen now.
        let is_under = self.began_at.is_some_and(|began_at| wanted < UNDER * began_at);
        self.under_since_ns = since(self.under_since_ns, is_under);
        match self.began_at {
            None if lasts(self.over_since_ns, OVER_NS) => self.began_at = Some(wanted),
            Some(_) if lasts(self.under_since_ns, UNDER_NS) => *self = Self::default(),
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

    /// The ticks at which it changes, for what each tick brings: SYNs that want an answer, and those over the rate.
    fn changes(ticks: impl IntoIterator<Item = (f64, f64)>) -> Vec<u64> {
        let mut first_syn = FirstSyn::default();
        let mut changes = Vec::new();
        for (tick, (wanted, over_budget_rate)) in ticks.into_iter().enumerate() {
            let was_on = first_syn.is_on();
            let answered_rate = wanted - over_budget_rate;
            let numbers = AttackRates { answered_rate, over_budget_rate, ..AttackRates::default() };
            if first_syn.step(true, &numbers, 7 + tick as u64 * TICK) != was_on {
                changes.push(tick as u64);
            }
        }
        changes
    }

    fn lasting(ticks: usize, wanted: f64, over: f64) -> impl Iterator<Item = (f64, f64)> {
        std::iter::repeat_n((wanted, over), ticks)
    }

    #[test]
    fn it_begins_after_two_seconds_and_ends_after_five() {
        assert_eq!(changes(lasting(100, 900.0, 0.0)), [0u64; 0]);
        assert_eq!(changes(lasting(8, 1_000.0, 1.0).chain(lasting(90, 1_000.0, 0.0))), [0u64; 0]);
        let flood = || lasting(9, 3_000.0, 2_000.0);
        assert_eq!(changes(flood().chain(lasting(90, 3_000.0, 0.0))), [8]);
        assert_eq!(changes(flood().chain(lasting(90, 1_501.0, 0.0))), [8]);
        assert_eq!(changes(flood().chain(lasting(90, 1_499.0, 0.0))), [8, 29]);
        let pause = lasting(20, 100.0, 0.0).chain(lasting(1, 3_000.0, 0.0));
        assert_eq!(changes(flood().chain(pause).chain(lasting(90, 100.0, 0.0))), [8, 50]);
    }

    #[test]
    fn it_ends_at_once_where_it_may_not_be() {
        let mut first_syn = FirstSyn::default();
        let numbers = AttackRates { over_budget_rate: 1.0, ..AttackRates::default() };
        for tick in 0..20 {
            first_syn.step(true, &numbers, tick * TICK);
        }
        assert!(first_syn.is_on());
        assert!(!first_syn.step(false, &numbers, 20 * TICK));
    }

    proptest! {
        /// Whatever comes, it does not flap.
        #[test]
        fn it_lasts_five_seconds_at_least(pieces in prop::collection::vec((1usize..40, 0.0f64..4e3, 0.0f64..1.0), 1..40)) {
            let ticks = pieces.into_iter().flat_map(|(ticks, wanted, over)| {
                lasting(ticks, wanted, if over < 0.5 { 0.0 } else { wanted * over })
            });
            let changes = changes(ticks);
            for pair in changes.windows(2).filter(|pair| changes.iter().position(|at| *at == pair[0]).is_some_and(|i| i % 2 == 0)) {
                prop_assert!((pair[1] - pair[0]) * TICK >= UNDER_NS, "{:?}", changes);
            }
        }
    }
}
