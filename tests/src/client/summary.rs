//! Outcomes of visits, in numbers.

use std::time::Duration;

use crate::client::Visit;

/// Counts, and the times of those that were served.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Visits that got the whole response.
    pub served: usize,
    /// Visits that did not, in time.
    pub failed: usize,
    /// Connect and response together, shortest first.
    times: Vec<Duration>,
}

impl Summary {
    pub(super) fn of(visits: &[Visit]) -> Self {
        let mut times: Vec<Duration> = visits
            .iter()
            .filter_map(|visit| match visit {
                Visit::Served(time) => Some(*time),
                Visit::Failed => None,
            })
            .collect();
        times.sort_unstable();
        Self { served: times.len(), failed: visits.len() - times.len(), times }
    }

    /// Visits that have ended.
    pub fn ended(&self) -> usize {
        self.served + self.failed
    }

    /// Connect and response of the median visit that was served; `None` if none was.
    pub fn p50(&self) -> Option<Duration> {
        self.percentile(50)
    }

    /// The time that 99 in 100 served visits stayed within; `None` if none was served.
    pub fn p99(&self) -> Option<Duration> {
        self.percentile(99)
    }

    /// The longest time of a served visit; `None` if none was.
    pub fn max(&self) -> Option<Duration> {
        self.times.last().copied()
    }

    /// The shortest time that this percentage of the served visits stayed within.
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.times.len() * percent).div_ceil(100);
        self.times.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_served_visits() {
        let mut visits: Vec<_> = (1..=100).rev().map(|ms| Visit::Served(Duration::from_millis(ms))).collect();
        visits.push(Visit::Failed);
        let summary = Summary::of(&visits);
        assert_eq!((summary.served, summary.failed, summary.ended()), (100, 1, 101));
        assert_eq!(summary.p50(), Some(Duration::from_millis(50)));
        assert_eq!(summary.p99(), Some(Duration::from_millis(99)));
        assert_eq!(summary.max(), Some(Duration::from_millis(100)));
        assert_eq!(Summary::of(&[Visit::Failed]).p99(), None);
        assert_eq!(Summary::of(&[Visit::Served(Duration::ZERO)]).p99(), Some(Duration::ZERO));
    }
}
