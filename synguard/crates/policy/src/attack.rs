//! The totals of an attack, for the events about it.

use synguard_model::{
    attack::AttackKind,
    event::{AttackRates, Event},
    snapshot::Counters,
};

/// Interval of the reports that an attack continues, in nanoseconds.
const REPEAT_NS: u64 = 60_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// An attack under way.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    began_ns: u64,
    /// The last time at which the flood was on.
    last_on_ns: u64,
    last_reported_ns: u64,
    syns: u64,
    excess_syns: u64,
    blocked_syns: u64,
    xdp_cookies: u64,
    peak_syn_rate: f64,
    peak_distinct_sources: f64,
}

impl Attack {
    pub(super) const fn new(rates: &AttackRates, now_ns: u64) -> Self {
        Self {
            began_ns: now_ns,
            last_on_ns: now_ns,
            last_reported_ns: now_ns,
            syns: 0,
            excess_syns: 0,
            blocked_syns: 0,
            xdp_cookies: 0,
            peak_syn_rate: rates.syn_rate,
            peak_distinct_sources: rates.distinct_sources,
        }
    }

    /// Notes that an event about the attack is reported at `now_ns`.
    pub(super) const fn reported(&mut self, now_ns: u64) {
        self.last_reported_ns = now_ns;
    }

    /// Notes that the flood is on at `now_ns`.
    pub(super) const fn continues_at(&mut self, now_ns: u64) {
        self.last_on_ns = now_ns;
    }

    /// Adds the counts since the last observation.
    pub(super) fn add(&mut self, delta: &Counters, rates: &AttackRates) {
        self.syns += delta.guarded_syns();
        self.excess_syns += delta.excess_syns();
        self.blocked_syns += delta.blocked_syns();
        self.xdp_cookies += delta.xdp_cookies();
        self.peak_syn_rate = self.peak_syn_rate.max(rates.syn_rate);
        self.peak_distinct_sources = self.peak_distinct_sources.max(rates.distinct_sources);
    }

    /// Returns the event that the attack continues, once in [`REPEAT_NS`].
    pub(super) const fn report_again(
        &mut self,
        kind: AttackKind,
        rates: AttackRates,
        now_ns: u64,
    ) -> Option<Event> {
        if now_ns.saturating_sub(self.last_reported_ns) < REPEAT_NS {
            return None;
        }
        self.last_reported_ns = now_ns;
        Some(Event::AttackContinues {
            kind,
            seconds: self.seconds(now_ns),
            excess_syns: self.excess_syns,
            blocked_syns: self.blocked_syns,
            rates,
        })
    }

    /// Ends the attack. Its duration is the time from its detection until its flood was last on, about a second more than the
    /// flood was; its counts are those until now.
    pub(super) const fn end(self) -> Event {
        Event::AttackOver {
            seconds: self.seconds(self.last_on_ns),
            syns: self.syns,
            excess_syns: self.excess_syns,
            blocked_syns: self.blocked_syns,
            xdp_cookies: self.xdp_cookies,
            peak_syn_rate: self.peak_syn_rate.round() as u64,
            peak_distinct_sources: self.peak_distinct_sources.round() as u64,
        }
    }

    const fn seconds(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.began_ns) / SECOND_NS
    }
}
