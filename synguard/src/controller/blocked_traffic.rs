//! Finds the entries of the blocklist that SYNs arrive for. A source that was blocked before it ever exceeded its limit is known
//! from nowhere else.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use anyhow::Result;
use synguard_common::ip_list::{List, ListEntry, Prefix};
use synguard_datapath::Datapath;
use synguard_kernel::clock;
use synguard_model::{snapshot::Counters, time::Monotonic};
use synguard_policy::RecentSyns;

/// Entries that one reading of the list finds.
const FOUND_MAX: usize = 8;
/// Entries whose hits are remembered.
const REMEMBERED_MAX: usize = 65_536;
/// Pause between two readings, as a multiple of the CPU time of the last one, so that a long list takes a hundredth of a core.
const PAUSE_FACTOR: u32 = 100;

/// Blocked SYNs between two calls, a tick, that may be the beginning of a flood, and their ratio to those of the tick before.
const BEGIN_MIN: u64 = 20;
const BEGIN_RATIO: u64 = 4;

/// The hits of the blocklist's entries at the latest reading.
#[derive(Debug, Default)]
pub(super) struct BlockedTraffic {
    /// Those of the entries with hits; `None` before the first reading.
    hits: Option<HashMap<Prefix, u64>>,
    blocked_syns: u64,
    /// Blocked SYNs at the latest call, and those of the time before it.
    latest_syns: u64,
    latest_fresh: u64,
    /// Time from which a sudden flood has the list read before its pause is over.
    hasten_from: Monotonic,
    /// The latest time up to which no SYN was blocked since the reading.
    quiet_until: Monotonic,
    next: Monotonic,
}

/// An entry that SYNs arrive for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BusyEntry {
    pub(super) key: Prefix,
    /// Its SYNs since the reading before, if there was one.
    pub(super) recent: Option<RecentSyns>,
}

/// Finds the busiest entries in a reading of the list.
struct Finder {
    former: Option<HashMap<Prefix, u64>>,
    hits: HashMap<Prefix, u64>,
    busiest: Vec<(Reverse<u64>, Prefix)>,
}

impl BlockedTraffic {
    /// Returns the entries with the most hits since the last reading, if blocked SYNs arrived and a reading is due. The first
    /// call reads the list in any case, so that the next ones know which hits are new.
    pub(super) fn busiest(
        &mut self,
        datapath: &Datapath,
        counters: &Counters,
        now: Monotonic,
    ) -> Result<Vec<BusyEntry>> {
        let blocked_syns = counters.blocked_syns();
        let begins = self.flood_begins(blocked_syns);
        if self.hits.is_some() && blocked_syns == self.blocked_syns {
            self.quiet_until = now;
            return Ok(Vec::new());
        }
        if now < self.next && !(begins && now >= self.hasten_from) {
            return Ok(Vec::new());
        }
        let begun_ns = clock::cpu_ns();
        let lists = datapath.lists()?;
        let mut finder = Finder::since(self.hits.take());
        let read = lists.for_each(List::Block, |key, entry| finder.visit(key, entry));
        // Every hit is a packet, but not every one a SYN.
        let syns_max = blocked_syns.saturating_sub(self.blocked_syns);
        let since = self.quiet_until;
        (self.blocked_syns, self.quiet_until) = (blocked_syns, now);
        let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(begun_ns));
        if now < self.next {
            self.hasten_from = now + used * PAUSE_FACTOR;
        }
        self.next = now + used * PAUSE_FACTOR;
        let (found, hits) = finder.finish(since, syns_max);
        self.hits = Some(hits);
        read.map(|()| found)
    }

    /// Reports whether far more SYNs are blocked since the latest call than before it: the attack that begins is to be named with
    /// its source, and a few blocked SYNs a second may have had a long list read just now.
    const fn flood_begins(&mut self, blocked_syns: u64) -> bool {
        let fresh = blocked_syns.saturating_sub(self.latest_syns);
        let begins = fresh >= BEGIN_MIN && fresh >= self.latest_fresh.saturating_mul(BEGIN_RATIO);
        (self.latest_syns, self.latest_fresh) = (blocked_syns, fresh);
        begins
    }
}

impl Finder {
    fn since(former: Option<HashMap<Prefix, u64>>) -> Self {
        Self { former, hits: HashMap::new(), busiest: Vec::new() }
    }

    fn visit(&mut self, key: &Prefix, entry: &ListEntry) {
        let before = self.former.as_ref().and_then(|former| former.get(key));
        let fresh = entry.hits.saturating_sub(before.copied().unwrap_or(0));
        if entry.hits > 0 && self.hits.len() < REMEMBERED_MAX {
            self.hits.insert(*key, entry.hits);
        }
        if fresh > 0 {
            self.busiest.push((Reverse(fresh), *key));
        }
        if self.busiest.len() > 2 * FOUND_MAX {
            self.keep_busiest();
        }
    }

    fn keep_busiest(&mut self) {
        self.busiest.sort_unstable();
        self.busiest.truncate(FOUND_MAX);
    }

    /// Returns the busiest entries, and the hits of all. `since` is the time of the reading before, or a later one up to which no
    /// SYN was blocked; `syns_max` SYNs have been blocked since then.
    fn finish(mut self, since: Monotonic, syns_max: u64) -> (Vec<BusyEntry>, HashMap<Prefix, u64>) {
        self.keep_busiest();
        // Of an entry that was not remembered nothing is known.
        let is_known = |key: &Prefix| {
            self.former
                .as_ref()
                .is_some_and(|former| former.contains_key(key) || former.len() < REMEMBERED_MAX)
        };
        let found = self.busiest.iter().map(|(Reverse(fresh), key)| BusyEntry {
            key: *key,
            recent: is_known(key).then(|| RecentSyns { since, syns: (*fresh).min(syns_max) }),
        });
        (found.collect(), self.hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Prefix {
        Prefix::new(synguard_common::addr::Addr::from_v4((0x0b00_0000 + number).to_be()), 128)
    }

    fn read(
        former: Option<HashMap<Prefix, u64>>,
        hits: &[(u32, u64)],
        syns_max: u64,
    ) -> (Vec<BusyEntry>, HashMap<Prefix, u64>) {
        let mut finder = Finder::since(former);
        for (number, hits) in hits {
            let entry = ListEntry { expires_at_ns: 0, hits: *hits, scope: 0, origin: 0 };
            finder.visit(&key(*number), &entry);
        }
        finder.finish(Monotonic::from_ns(7), syns_max)
    }

    fn recent(found: &[BusyEntry]) -> Vec<(Prefix, Option<u64>)> {
        found.iter().map(|entry| (entry.key, entry.recent.map(|recent| recent.syns))).collect()
    }

    #[test]
    fn hits_since_the_reading_before_are_new() {
        let (found, hits) = read(None, &[(1, 1_000_000), (2, 0)], 1_000_000);
        assert_eq!(recent(&found), [(key(1), None)], "they may be of any age");
        let (found, hits) = read(Some(hits), &[(1, 1_000_000), (2, 500)], 400);
        assert_eq!(recent(&found), [(key(2), Some(400))], "some were no SYNs");
        assert!(found.iter().all(|entry| entry.recent.is_some_and(|it| it.since == Monotonic::from_ns(7))));
        let (found, _) = read(Some(hits), &[(1, 1_000_009), (2, 900)], 400);
        assert_eq!(recent(&found), [(key(2), Some(400)), (key(1), Some(9))]);
    }

    #[test]
    fn beginning_of_a_flood_is_seen_once() {
        let mut traffic = BlockedTraffic::default();
        let seen = [5, 12, 17, 40, 2_000, 9_000, 9_000, 9_003, 12_000].map(|syns| traffic.flood_begins(syns));
        assert_eq!(seen, [false, false, false, true, true, false, false, false, true]);
    }

    #[test]
    fn only_the_busiest_are_found_and_unremembered_hits_are_unknown() {
        let many: Vec<_> = (0..REMEMBERED_MAX as u32 + 10).map(|number| (number, 5)).collect();
        let (found, hits) = read(None, &many, 1_000);
        assert_eq!((found.len(), hits.len()), (FOUND_MAX, REMEMBERED_MAX));
        let last = REMEMBERED_MAX as u32 + 9;
        let (found, _) = read(Some(hits), &[(3, 7), (last, 6)], 1_000);
        assert_eq!(recent(&found), [(key(last), None), (key(3), Some(2))]);
    }
}
