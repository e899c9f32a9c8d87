//! Who went over their limit: from the datapath's sampled events, with what its table says of each. A whole table is
//! never read for that.

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

/// Sources looked up a tick.
const LOOKUPS_MAX: usize = 64;
/// Sources named in one event.
const NAMED: usize = 3;
/// Sources kept in mind to be told of.
const KEPT_MAX: usize = 1024;
/// How soon offenders are told of again. It doubles each time, up to the longest, and begins anew after a pause.
const TOLD_FIRST: Duration = Duration::from_secs(10);
const TOLD_LONGEST: Duration = Duration::from_secs(600);

pub(super) struct Offences {
    events: EventStream,
    untold: BTreeSet<SourceKey>,
    latest_ns: u64,
    next_ns: u64,
    pause: Duration,
}

impl Offences {
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let events = EventStream::open(pins)?;
        Ok(Self { events, untold: BTreeSet::new(), latest_ns: 0, next_ns: 0, pause: TOLD_FIRST })
    }

    /// Those since the last call, and now and then an event that tells of them.
    pub(super) fn gather(
        &mut self,
        datapath: &Datapath,
        settings: &Settings,
        now_ns: u64,
    ) -> Result<(Vec<Violation>, Option<Event>)> {
        let mut offences = BTreeMap::new();
        while let Some(event) = self.events.next_event() {
            let source = event.source;
            if offences.len() >= LOOKUPS_MAX || offences.contains_key(&source) {
                continue;
            }
            if let Some(state) = datapath.source(&source)? {
                offences.insert(source, Violation { source, dropped: state.dropped });
            }
        }
        let room = KEPT_MAX - self.untold.len().min(KEPT_MAX);
        self.untold.extend(offences.keys().take(room));
        if !offences.is_empty() {
            if now_ns.saturating_sub(self.latest_ns) > nanoseconds(TOLD_LONGEST) {
                self.pause = TOLD_FIRST;
            }
            self.latest_ns = now_ns;
        }
        let event = self.tell(settings, now_ns);
        Ok((offences.into_values().collect(), event))
    }

    fn tell(&mut self, settings: &Settings, now_ns: u64) -> Option<Event> {
        if self.untold.is_empty() || now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + nanoseconds(self.pause);
        self.pause = (self.pause * 2).min(TOLD_LONGEST);
        let untold = std::mem::take(&mut self.untold);
        let name = |source: &SourceKey| display(source, settings.source_prefix_v6);
        Some(Event::OverLimit {
            sources: untold.iter().take(NAMED).map(name).collect(),
            more: untold.len().saturating_sub(NAMED),
            limit: settings.syn_rate,
            hold_seconds: settings.hold.as_secs_f64(),
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}
