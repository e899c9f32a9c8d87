//! Reports of the sources that exceed their limit: each names those that did so lately, the busiest first.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use synguard_common::source::SourceKey;
use synguard_model::{
    event::Event,
    settings::Settings,
    source::{display, prefix_of},
    time::Monotonic,
};

use crate::{
    Violation,
    source_rates::{NAMED, SourceRates},
};

/// Sources remembered for the next report.
const PENDING_MAX: usize = 1024;
/// Holds without a violation after which a source is forgotten, and the shortest such time.
const MEMORY_HOLDS: u32 = 2;
const MEMORY_MIN: Duration = Duration::from_secs(2);
/// Time from a violation to its report, in which the rate of the source is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Pause between two reports. It doubles each time up to the longest; it is short again after a time without violations, and
/// with each attack.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_secs(600);

/// A source that exceeded its limit since the last report.
#[derive(Clone, Copy, Debug)]
struct Pending {
    latest: Monotonic,
    /// The highest rate since the first violation.
    rate: f64,
}

/// The sources to report next, and the time from which they may be.
#[derive(Clone, Debug)]
pub(super) struct LimitReports {
    pending: BTreeMap<SourceKey, Pending>,
    pending_since: Option<Monotonic>,
    latest: Monotonic,
    next: Monotonic,
    pause: Duration,
}

impl Default for LimitReports {
    fn default() -> Self {
        let never = Monotonic::default();
        Self { pending: BTreeMap::new(), pending_since: None, latest: never, next: never, pause: PAUSE_FIRST }
    }
}

impl LimitReports {
    /// Begins the pauses anew, because an attack began.
    pub(super) const fn attack_began(&mut self, now: Monotonic) {
        self.next = now;
        self.pause = PAUSE_FIRST;
        self.pending_since = Some(now);
    }

    /// Takes violations at `now` into account. Returns the report, if one is due.
    pub(super) fn step(
        &mut self,
        violations: &[Violation],
        rates: &SourceRates,
        settings: &Settings,
        now: Monotonic,
    ) -> Option<Event> {
        if !violations.is_empty() {
            if now.since(self.latest) > PAUSE_LONGEST {
                self.pause = PAUSE_FIRST;
            }
            self.latest = now;
        }
        for violation in violations {
            if self.pending.len() < PENDING_MAX || self.pending.contains_key(&violation.source) {
                let new = Pending { latest: now, rate: 0.0 };
                self.pending.entry(violation.source).or_insert(new).latest = now;
            }
        }
        let memory = (settings.hold * MEMORY_HOLDS).max(MEMORY_MIN);
        let prefix = |source: &SourceKey| prefix_of(source, settings.v6_length());
        // A blocked source is not in hold, and its block is an event of its own.
        self.pending.retain(|source, pending| {
            pending.rate = pending.rate.max(rates.rate(&prefix(source)));
            now.since(pending.latest) <= memory && !rates.is_blocked(&prefix(source))
        });
        if self.pending.is_empty() {
            self.pending_since = None;
            return None;
        }
        let since = *self.pending_since.get_or_insert(now);
        if now < self.next || now.since(since) < MEASURED {
            return None;
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
        Some(self.report(settings))
    }

    fn report(&mut self, settings: &Settings) -> Event {
        self.pending_since = None;
        let mut sources: Vec<_> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(key, it)| (it.rate.round() as u64, key))
            .collect();
        sources.sort_by_key(|(rate, _)| Reverse(*rate));
        let named = &sources[..sources.len().min(NAMED)];
        Event::OverLimit {
            sources: named.iter().map(|(_, source)| display(source, settings.v6_length())).collect(),
            rates: named.iter().map(|(rate, _)| *rate).collect(),
            more: sources.len() - named.len(),
            limit: settings.syn_rate,
            hold_seconds: settings.hold.as_secs_f64(),
            monitor: settings.monitor,
        }
    }
}

#[cfg(test)]
mod tests {
    use synguard_common::{addr::Addr, ip_list::Prefix};

    use super::*;
    use crate::source_rates::SourceCount;

    const TICK: Duration = Duration::from_millis(250);

    fn source(number: u32) -> SourceKey {
        SourceKey { address: Addr::from_v4((0x0b00_0000 + number).to_be()) }
    }

    /// Sources that send, each so many SYNs in a tick, and exceed the limit after every hold of ten seconds.
    struct World {
        reports: LimitReports,
        rates: SourceRates,
        counts: BTreeMap<u32, u64>,
        blocked: Vec<u32>,
        tick: u64,
        told: Vec<(u64, Vec<String>, Vec<u64>, usize)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                reports: LimitReports::default(),
                rates: SourceRates::default(),
                counts: BTreeMap::new(),
                blocked: vec![],
                tick: 0,
                told: vec![],
            }
        }

        fn run(&mut self, ticks: u64, senders: &[(u32, u64)]) {
            for tick in 0..ticks {
                self.tick += 1;
                let now = self.now();
                let mut violations = Vec::new();
                for (number, syns) in senders {
                    *self.counts.entry(*number).or_default() += syns;
                    if tick.is_multiple_of(40) && !self.blocked.contains(number) {
                        violations.push(Violation { source: source(*number), dropped: 0 });
                    }
                }
                let count = |(number, syns): (&u32, &u64)| SourceCount {
                    key: Prefix::new(source(*number).address, 128),
                    syns: *syns,
                    hits: 0,
                    first_seen: Monotonic::default(),
                    recent: None,
                    is_blocked: self.blocked.contains(number),
                };
                self.rates.observe(&self.counts.iter().map(count).collect::<Vec<_>>(), now);
                let event = self.reports.step(&violations, &self.rates, &Settings::default(), now);
                if let Some(Event::OverLimit { sources, rates, more, .. }) = event {
                    self.told.push((self.tick, sources, rates, more));
                }
            }
        }

        fn now(&self) -> Monotonic {
            Monotonic::from_ns(3_600_000_000_000) + TICK * self.tick as u32
        }
    }

    #[test]
    fn sources_are_named_by_rate_a_second_after_the_violation() {
        let mut world = World::new();
        world.run(20, &[(1, 100), (2, 21_000), (3, 300), (4, 200), (5, 50)]);
        let [(tick, sources, rates, more)] = &*world.told else { panic!("{:?}", world.told) };
        assert_eq!((*tick, *more), (5, 2));
        assert_eq!(*sources, ["11.0.0.2", "11.0.0.3", "11.0.0.4"]);
        assert_eq!(*rates, [84_000, 1_200, 800]);
    }

    #[test]
    fn silent_sources_are_forgotten_and_the_present_one_is_named() {
        let mut world = World::new();
        world.run(8, &[(1, 1_000)]);
        // Too late for the first report; silent for half a minute when the next but one is due.
        world.run(8, &[(2, 1_000)]);
        world.run(80, &[]);
        world.run(60, &[(3, 1_000)]);
        let names: Vec<_> = world.told.iter().map(|(_, sources, ..)| sources.join(" ")).collect();
        assert_eq!(names, ["11.0.0.1", "11.0.0.2", "11.0.0.3"]);
        // A source that has been silent for more than two holds when its report is due is not named at all.
        world.run(20, &[(4, 1_000)]);
        world.run(400, &[]);
        world.run(40, &[(5, 1_000)]);
        assert!(
            !world.told.iter().any(|(_, sources, ..)| sources.contains(&"11.0.0.4".to_owned())),
            "{:?}",
            world.told
        );
        assert_eq!(world.told.last().map(|(_, sources, ..)| sources.join(" ")), Some("11.0.0.5".to_owned()));
    }

    #[test]
    fn pause_begins_anew_with_each_attack() {
        let mut world = World::new();
        world.run(400, &[(1, 1_000)]);
        let ticks: Vec<u64> = world.told.iter().map(|(tick, ..)| *tick).collect();
        assert_eq!(ticks.len(), 4, "{ticks:?}");
        world.run(40, &[]);
        let now = world.now();
        world.reports.attack_began(now);
        world.run(20, &[(2, 1_000)]);
        assert_eq!(
            world.told.last().map(|(tick, sources, ..)| (*tick, sources.join(" "))),
            Some((444, "11.0.0.2".to_owned()))
        );
    }

    #[test]
    fn blocked_source_is_not_reported() {
        let mut world = World::new();
        world.run(2, &[(1, 1_000), (2, 500)]);
        world.blocked.push(1);
        world.run(20, &[(1, 1_000), (2, 500)]);
        let names: Vec<_> = world.told.iter().map(|(_, sources, ..)| sources.join(" ")).collect();
        assert_eq!(names, ["11.0.0.2"]);
    }
}
