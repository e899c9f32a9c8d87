//! The totals of an attack, for the events about it.

use std::time::Duration;

use synguard_common::source::SourceKey;
use synguard_model::{
    attack::AttackKind,
    event::{AttackRates, AttackSource, Event},
    settings::Settings,
    situation::AttackCourse,
    snapshot::Counters,
    source::display,
    time::Monotonic,
};

use crate::{detector::SPAN, source_rates::NAMED};

/// Interval of the reports that an attack continues.
const REPEAT: Duration = Duration::from_secs(60);

/// An attack under way.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    began: Monotonic,
    /// The last time at which the flood was on.
    last_on: Monotonic,
    is_on: bool,
    /// Floods so far, with more than a second between them.
    pulses: u32,
    last_reported: Monotonic,
    counted: Counters,
    peak_syn_rate: f64,
    peak_distinct_sources: f64,
    was_concentrated: bool,
    was_distributed: bool,
    /// The sources that were blocked during it, or would have been.
    blocked: Vec<SourceKey>,
}

impl Attack {
    pub(super) fn new(rates: &AttackRates, now: Monotonic) -> Self {
        Self {
            began: now,
            last_on: now,
            is_on: true,
            pulses: 1,
            last_reported: now,
            counted: Counters::default(),
            peak_syn_rate: rates.syn_rate,
            peak_distinct_sources: rates.distinct_sources,
            was_concentrated: false,
            was_distributed: false,
            blocked: Vec::new(),
        }
    }

    /// Notes the present kind of the attack.
    pub(super) fn is_of(&mut self, kind: AttackKind) {
        self.was_concentrated |= kind != AttackKind::Distributed;
        self.was_distributed |= kind.is_distributed();
    }

    /// Notes that a source was blocked, or would have been.
    pub(super) fn source_blocked(&mut self, source: SourceKey) {
        if !self.blocked.contains(&source) {
            self.blocked.push(source);
        }
    }

    /// Returns the SYNs so far.
    pub(super) fn syns(&self) -> u64 {
        self.counted.guarded_syns()
    }

    /// Notes that an event about the attack is reported at `now`.
    pub(super) const fn reported(&mut self, now: Monotonic) {
        self.last_reported = now;
    }

    /// Notes whether the flood is on at `now`.
    pub(super) fn flood_is(&mut self, is_on: bool, now: Monotonic) {
        self.is_on = is_on;
        if is_on {
            self.pulses += u32::from(now.since(self.last_on) > SPAN);
            self.last_on = now;
        }
    }

    /// Returns its course, without its sources.
    pub(super) fn course(&self) -> AttackCourse {
        AttackCourse {
            began_ns: self.began,
            last_on_ns: (!self.is_on).then_some(self.last_on),
            pulses: self.pulses,
            blocked: self.blocked.len() as u64,
            ..AttackCourse::default()
        }
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
        top_sources: impl FnOnce() -> Vec<AttackSource>,
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
            top_sources: top_sources(),
            rates,
        })
    }

    /// Ends the attack. Its duration is the time from its detection until its flood was last on; its counts are those until now.
    pub(super) fn end(&self, top_sources: Vec<AttackSource>, settings: &Settings) -> Event {
        let kind = AttackKind::from_parts(self.was_concentrated, self.was_distributed);
        let fates = self.counted.syn_fates();
        let named = self.blocked.iter().take(NAMED);
        Event::AttackOver {
            kind: kind.unwrap_or(AttackKind::Concentrated),
            seconds: self.seconds(self.last_on),
            syns: self.syns(),
            excess_syns: self.counted.excess_syns(),
            blocked_syns: self.counted.blocked_syns(),
            xdp_cookies: self.counted.xdp_cookies(),
            dropped_syns: fates.dropped + fates.blocked,
            would_drop: fates.would_drop,
            peak_syn_rate: self.peak_syn_rate.round() as u64,
            peak_distinct_sources: self.peak_distinct_sources.round() as u64,
            top_sources,
            sources_blocked: self.blocked.len() as u64,
            blocked_sources: named.map(|source| display(source, settings.v6_length())).collect(),
            monitor: settings.monitor,
        }
    }

    const fn seconds(&self, now: Monotonic) -> u64 {
        now.since(self.began).as_secs()
    }
}
