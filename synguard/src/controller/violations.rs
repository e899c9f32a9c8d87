//! Collects violations from the datapath's sampled events and the table entries of their sources. Never reads the whole table.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::Result;
use synguard_common::source::SourceKey;
use synguard_datapath::{Datapath, EventStream};
use synguard_model::{event::Event, settings::Settings, source::display};
use synguard_policy::Violation;

/// Sources looked up in a tick.
const LOOKUPS_MAX: usize = 64;
/// Sources named in one event.
const NAMED: usize = 3;
/// Sources remembered for the next event.
const UNREPORTED_MAX: usize = 1024;
/// Pause between two events about violations. It doubles each time up to the longest, and is short again after a time without
/// violations.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_secs(600);

pub(super) struct Violations {
    events: EventStream,
    unreported: BTreeSet<SourceKey>,
    latest_ns: u64,
    next_report_ns: u64,
    pause: Duration,
}

impl Violations {
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let events = EventStream::open(pins)?;
        let unreported = BTreeSet::new();
        Ok(Self { events, unreported, latest_ns: 0, next_report_ns: 0, pause: PAUSE_FIRST })
    }

    /// Returns the violations since the last call, and from time to time an event that names some of the sources.
    pub(super) fn collect(
        &mut self,
        datapath: &Datapath,
        settings: &Settings,
        now_ns: u64,
    ) -> Result<(Vec<Violation>, Option<Event>)> {
        let mut violations = BTreeMap::new();
        while let Some(event) = self.events.next_event() {
            let source = event.source;
            if violations.len() >= LOOKUPS_MAX || violations.contains_key(&source) {
                continue;
            }
            if let Some(state) = datapath.source(&source)? {
                violations.insert(source, Violation { source, dropped: state.dropped });
            }
        }
        let room = UNREPORTED_MAX - self.unreported.len().min(UNREPORTED_MAX);
        self.unreported.extend(violations.keys().take(room));
        if !violations.is_empty() {
            if now_ns.saturating_sub(self.latest_ns) > nanoseconds(PAUSE_LONGEST) {
                self.pause = PAUSE_FIRST;
            }
            self.latest_ns = now_ns;
        }
        let event = self.report(settings, now_ns);
        Ok((violations.into_values().collect(), event))
    }

    fn report(&mut self, settings: &Settings, now_ns: u64) -> Option<Event> {
        if self.unreported.is_empty() || now_ns < self.next_report_ns {
            return None;
        }
        self.next_report_ns = now_ns + nanoseconds(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
        let sources = std::mem::take(&mut self.unreported);
        let name = |source: &SourceKey| display(source, settings.v6_length());
        Some(Event::OverLimit {
            sources: sources.iter().take(NAMED).map(name).collect(),
            more: sources.len().saturating_sub(NAMED),
            limit: settings.syn_rate,
            hold_seconds: settings.hold.as_secs_f64(),
        })
    }
}

const fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}
