//! Collects violations from the datapath's sampled events, and the counts of the sources that may stand out in an attack: those
//! that exceeded their limit lately, and those that the blocklist drops. Never reads the whole table of sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::Result;
use synguard_common::{
    ip_list::{List, ListEntry, Prefix},
    source::SourceKey,
};
use synguard_datapath::{Datapath, EventStream, PrefixLookup};
use synguard_model::{settings::Settings, snapshot::Snapshot, source::prefix_of, time::Monotonic};
use synguard_policy::{SourceCount, Violation};

use super::{blocked_traffic::BlockedTraffic, last_error::LastError};

/// The error of lists that cannot be read.
pub(super) const UNREADABLE: &str = "the blocklist cannot be read";
/// New violations in a tick.
const VIOLATIONS_MAX: usize = 64;
/// Sources that are followed at once.
const FOLLOWED_MAX: usize = 256;
/// Holds without a SYN after which a source is no longer followed, and the shortest such time.
const MEMORY_HOLDS: u32 = 2;
const MEMORY_MIN: Duration = Duration::from_secs(30);

/// A source that is looked up with each tick.
#[derive(Clone, Copy, Debug)]
struct Followed {
    /// SYNs so far, at the latest lookup.
    total: u64,
    /// SYNs since the lookup before; `None` if there was none.
    fresh: Option<u64>,
    /// The latest time at which it had sent a SYN.
    active: Monotonic,
}

/// The sources that a tick saw.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) violations: Vec<Violation>,
    pub(super) sources: Vec<SourceCount>,
}

pub(super) struct Violations {
    events: EventStream,
    followed: BTreeMap<Prefix, Followed>,
    blocked_traffic: BlockedTraffic,
    list_error: LastError,
}

impl Violations {
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let events = EventStream::open(pins)?;
        Ok(Self {
            events,
            followed: BTreeMap::new(),
            blocked_traffic: BlockedTraffic::default(),
            list_error: LastError::default(),
        })
    }

    /// Returns the violations since the last call, and the counts of the sources that are followed.
    pub(super) fn collect(
        &mut self,
        datapath: &Datapath,
        settings: &Settings,
        snapshot: &Snapshot,
    ) -> Result<Sightings> {
        let now = snapshot.at;
        let mut violators = BTreeSet::new();
        while let Some(event) = self.events.next_event() {
            if violators.len() < VIOLATIONS_MAX {
                violators.insert(event.source);
            }
        }
        for source in &violators {
            self.follow(prefix_of(source, settings.v6_length()), now);
        }
        // Without the pins of the lists, which `look_up` reports, none is found.
        let blocked = self.blocked_traffic.busiest(datapath, &snapshot.counters, now).unwrap_or_default();
        for entry in &blocked {
            self.follow(entry.key, now);
        }
        if self.followed.is_empty() {
            return Ok(Sightings::default());
        }
        let sources = self.look_up(datapath, settings, now)?;
        let mut sightings = Sightings::default();
        for (mut count, dropped) in sources {
            count.recent = blocked.iter().find(|entry| entry.key == count.key).and_then(|entry| entry.recent);
            let source = SourceKey { address: count.key.address };
            if violators.contains(&source) && count.key == prefix_of(&source, settings.v6_length()) {
                // With the blocked SYNs, because the hits of a block move to the source's own count when it ends.
                sightings.violations.push(Violation { source, dropped });
            }
            sightings.sources.push(count);
        }
        let memory = (settings.hold * MEMORY_HOLDS).max(MEMORY_MIN);
        self.followed.retain(|_, followed| now.since(followed.active) <= memory);
        Ok(sightings)
    }

    /// Follows a source from now on. If there is no room, it takes the place of the one that sent least.
    fn follow(&mut self, prefix: Prefix, now: Monotonic) {
        if self.followed.len() >= FOLLOWED_MAX && !self.followed.contains_key(&prefix) {
            let least = self.followed.iter().min_by_key(|(_, it)| it.fresh.unwrap_or(u64::MAX));
            if let Some(least) = least.map(|(prefix, _)| *prefix) {
                self.followed.remove(&least);
            }
        }
        let new = Followed { total: 0, fresh: None, active: now };
        self.followed.entry(prefix).or_insert(new).active = now;
    }

    /// Looks every followed source up in the table and in the blocklist. Returns the counts, each with its dropped SYNs.
    fn look_up(
        &mut self,
        datapath: &Datapath,
        settings: &Settings,
        now: Monotonic,
    ) -> Result<Vec<(SourceCount, u64)>> {
        let source_of = |prefix: &Prefix| {
            let source = SourceKey { address: prefix.address };
            (prefix_of(&source, settings.v6_length()) == *prefix).then_some(source)
        };
        let entries = datapath.entries_of(self.followed.keys().filter_map(source_of))?;
        // Their pins may be missing for a while, which must not end the controller.
        let blocklist = datapath.lists().and_then(|lists| lists.lookup(List::Block));
        let blocklist = self.list_error.note(UNREADABLE, blocklist).flatten();
        let mut counts = Vec::new();
        for (prefix, followed) in &mut self.followed {
            let entry =
                source_of(prefix).and_then(|source| entries.get(&source)).copied().unwrap_or_default();
            let (hits, is_blocked) = listed(blocklist.as_ref(), prefix, now);
            let count = SourceCount {
                key: *prefix,
                syns: entry.passed.saturating_add(entry.dropped),
                hits,
                first_seen: Monotonic::from_ns(entry.first_seen_ns),
                recent: None,
                // In monitor mode nothing is.
                is_blocked: is_blocked && !settings.monitor,
            };
            let total = count.total();
            if total != followed.total {
                followed.active = now;
            }
            followed.fresh = (followed.total > 0).then(|| total.saturating_sub(followed.total));
            followed.total = total;
            counts.push((count, entry.dropped.saturating_add(hits)));
        }
        Ok(counts)
    }
}

/// Returns the hits of exactly this prefix's entry in the blocklist, and whether some entry blocks its SYNs.
fn listed(blocklist: Option<&PrefixLookup>, prefix: &Prefix, now: Monotonic) -> (u64, bool) {
    let covering = blocklist.map_or_else(Vec::new, |blocklist| blocklist.covering(prefix));
    let hits = covering.iter().find(|(key, _)| key == prefix).map_or(0, |(_, entry)| entry.hits);
    (hits, covering.iter().any(|(_, entry)| blocks_syns(entry, now)))
}

/// Reports whether an entry of the blocklist applies to SYNs now.
pub(super) const fn blocks_syns(entry: &ListEntry, now: Monotonic) -> bool {
    entry.is_effective(now.as_ns()) && entry.applies_to(true)
}
