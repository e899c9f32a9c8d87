//! The totals of an attack, for the events about it.

use std::time::Duration;

use synguard_model::{
    attack::AttackKind,
    event::{AttackRates, Event},
    snapshot::Counters,
    time::Monotonic,
};

/// Interval of the reports that an attack continues.
const REPEAT: Duration = Duration::from_secs(60);

/// An attack under way.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    began: Monotonic,
    /// The last time at which the flood was on.
    last_on: Monotonic,
    last_reported: Monotonic,
    counted: Counters,
    peak_syn_rate: f64,
    peak_distinct_sources: f64,
}

impl Attack {
    pub(super) fn new(rates: &AttackRates, now: Monotonic) -> Self {
        Self {
            began: now,
            last_on: now,
            last_reported: now,
            counted: Counters::default(),
            peak_syn_rate: rates.syn_rate,
            peak_distinct_sources: rates.distinct_sources,
        }
    }

    /// Notes that an event about the attack is reported at `now`.
    pub(super) const fn reported(&mut self, now: Monotonic) {
        self.last_reported = now;
    }

    /// Notes that the flood is on at `now`.
    pub(super) const fn continues_at(&mut self, now: Monotonic) {
        self.last_on = now;
    }

    /// Adds the counts since the last observation.
    pub(super) fn add(&mut self, delta: &Counters, rates: &AttackRates) {
        self.counted.merge(delta);
        self.peak_syn_rate = self.peak_syn_rate.max(rates.syn_rate);
        self.peak_distinct_sources = self.peak_distinct_sources.max(rates.distinct_sources);
    }

    /// Returns the event that the attack continues, once in [`REPEAT`].
    pub(super) fn report_again(
        &mut self,
        kind: AttackKind,
        rates: AttackRates,
        now: Monotonic,
    ) -> Option<Event> {
        if now.since(self.last_reported) < REPEAT {
            return None;
        }
        self.last_reported = now;
        Some(Event::AttackContinues {
            kind,
            seconds: self.seconds(now),
            excess_syns: self.counted.excess_syns(),
            blocked_syns: self.counted.blocked_syns(),
            rates,
        })
    }

    /// Ends the attack. Its duration is the time from its detection until its flood was last on, about a second more than the
    /// flood was; its counts are those until now.
    pub(super) fn end(&self) -> Event {
        Event::AttackOver {
            seconds: self.seconds(self.last_on),
            syns: self.counted.guarded_syns(),
            excess_syns: self.counted.excess_syns(),
            blocked_syns: self.counted.blocked_syns(),
            xdp_cookies: self.counted.xdp_cookies(),
            peak_syn_rate: self.peak_syn_rate.round() as u64,
            peak_distinct_sources: self.peak_distinct_sources.round() as u64,
        }
    }

    const fn seconds(&self, now: Monotonic) -> u64 {
        now.since(self.began).as_secs()
    }
}
