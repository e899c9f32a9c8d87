//! The rates of accepted and of lost connections, from the kernel's counters: now, and in calm times.

use std::{collections::VecDeque, time::Duration};

use synguard_model::{situation::Visitors, tcp_counters::TcpCounters, time::Monotonic};

/// Time over which the present rates are means.
const SPAN: Duration = Duration::from_secs(2);
/// The mean of calm times forgets older ones with this time constant, in seconds.
const MEMORY_SECONDS: f64 = 600.0;
/// Calm time that the mean needs before it is known, in seconds.
const CALM_MIN_SECONDS: f64 = 10.0;

/// The kernel's counts at one instant.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Monotonic,
    accepted: u64,
    lost: u64,
}

/// The rates of the server's connections.
#[derive(Clone, Debug, Default)]
pub(super) struct VisitorRates {
    /// Samples of the last [`SPAN`], and one from before it.
    samples: VecDeque<Sample>,
    calm_rate: f64,
    /// Calm time that `calm_rate` has seen.
    calm_seconds: f64,
}

impl VisitorRates {
    /// Takes the kernel's counters at `now` into account. While they cannot be read, nothing is known.
    pub(super) fn observe(&mut self, tcp: Option<&TcpCounters>, is_calm: bool, now: Monotonic) {
        let Some(tcp) = tcp else {
            self.samples.clear();
            return;
        };
        let sample = Sample { at: now, accepted: tcp.passive_opens, lost: tcp.listen_drops };
        if let Some(before) = self.samples.back()
            && is_calm
        {
            self.learn(*before, sample);
        }
        self.samples.push_back(sample);
        while self.samples.get(1).is_some_and(|second| now.since(second.at) >= SPAN) {
            self.samples.pop_front();
        }
    }

    /// Adds the rate between two samples to the mean: a plain mean at first, later one that forgets.
    fn learn(&mut self, before: Sample, now: Sample) {
        let seconds = now.at.since(before.at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        self.calm_seconds += seconds;
        let weight = (seconds / self.calm_seconds.min(MEMORY_SECONDS)).min(1.0);
        let rate = now.accepted.saturating_sub(before.accepted) as f64 / seconds;
        self.calm_rate += weight * (rate - self.calm_rate);
    }

    /// Returns the rates.
    pub(super) fn rates(&self) -> Visitors {
        let calm_rate = (self.calm_seconds >= CALM_MIN_SECONDS).then_some(self.calm_rate);
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Visitors { calm_rate, ..Visitors::default() };
        };
        let seconds = last.at.since(first.at).as_secs_f64();
        let rate =
            |before: u64, now: u64| (seconds > 0.0).then(|| now.saturating_sub(before) as f64 / seconds);
        Visitors {
            accepted_rate: rate(first.accepted, last.accepted),
            calm_rate,
            lost_rate: rate(first.lost, last.lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK_NS: u64 = 250_000_000;
    const TICKS_A_SECOND: u64 = 4;

    /// Observes these numbers of accepted connections, one a tick, from tick `from` on.
    fn observe(rates: &mut VisitorRates, from: u64, is_calm: bool, accepted: &[u64]) {
        let mut tcp = TcpCounters { passive_opens: from * 1_000_000, ..TcpCounters::default() };
        for (i, &count) in accepted.iter().enumerate() {
            tcp.passive_opens += count;
            tcp.listen_drops = 2 * tcp.passive_opens;
            rates.observe(Some(&tcp), is_calm, Monotonic::from_ns((from + i as u64 + 1) * TICK_NS));
        }
    }

    #[test]
    fn nothing_is_known_at_first() {
        let mut rates = VisitorRates::default();
        assert_eq!(rates.rates(), Visitors::default());
        observe(&mut rates, 0, true, &[5]);
        assert_eq!(rates.rates(), Visitors::default());
        observe(&mut rates, 0, true, &[5, 5]);
        assert_eq!(rates.rates().accepted_rate, Some(20.0));
        assert_eq!(rates.rates().calm_rate, None, "too little calm");
        rates.observe(None, true, Monotonic::from_ns(TICK_NS * 3));
        assert_eq!(rates.rates(), Visitors::default());
    }

    #[test]
    fn present_rate_is_that_of_two_seconds() {
        let mut rates = VisitorRates::default();
        observe(&mut rates, 0, true, &[[10; 80], [5; 80]].concat());
        let Visitors { accepted_rate, calm_rate, lost_rate } = rates.rates();
        assert_eq!((accepted_rate, lost_rate), (Some(20.0), Some(40.0)));
        assert!(calm_rate.is_some_and(|rate| (29.9..30.1).contains(&rate)), "{calm_rate:?}");
        assert!(rates.samples.len() <= 10, "{}", rates.samples.len());
    }

    proptest! {
        /// The mean lies between the lowest and the highest rate of calm times, and nothing else moves it.
        #[test]
        fn mean_is_of_calm_times_only(
            calm in prop::collection::vec(0u64..1000, 50..200),
            flood in prop::collection::vec(0u64..100_000, 0..100),
        ) {
            let mut rates = VisitorRates::default();
            observe(&mut rates, 0, true, &calm);
            let mean = rates.rates().calm_rate.expect("known");
            let per_second = |count: Option<&u64>| (count.copied().unwrap_or_default() * TICKS_A_SECOND) as f64;
            prop_assert!(mean >= per_second(calm[1..].iter().min()) - 1e-6, "{mean}");
            prop_assert!(mean <= per_second(calm[1..].iter().max()) + 1e-6, "{mean}");
            observe(&mut rates, 1_000, false, &flood);
            prop_assert_eq!(rates.rates().calm_rate, Some(mean));
        }

        /// A constant rate is its own mean, however long and however irregular the ticks.
        #[test]
        fn constant_rate_is_its_own_mean(ticks in prop::collection::vec(1u64..8, 100..2000)) {
            let mut rates = VisitorRates::default();
            let mut at = 0;
            for ticks in ticks {
                at += ticks;
                let tcp = TcpCounters { passive_opens: 10 * at, ..TcpCounters::default() };
                rates.observe(Some(&tcp), true, Monotonic::from_ns(at * TICK_NS));
                prop_assert!(rates.samples.len() <= 10);
            }
            let mean = rates.rates().calm_rate.expect("known");
            prop_assert!((mean - 40.0).abs() < 1e-6, "{}", mean);
        }
    }
}
