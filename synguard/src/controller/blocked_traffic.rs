//! Finds the entries of the blocklist that SYNs arrive for. A source that was blocked before it ever exceeded its limit is known
//! from nowhere else.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use anyhow::Result;
use synguard_common::ip_list::{List, Prefix};
use synguard_datapath::Datapath;
use synguard_kernel::clock;
use synguard_model::{snapshot::Counters, time::Monotonic};

/// Entries that one reading of the list finds.
const FOUND_MAX: usize = 8;
/// Entries whose hits are remembered.
const REMEMBERED_MAX: usize = 65_536;
/// Pause between two readings: at least `PAUSE_MIN`, and `PAUSE_FACTOR` times the CPU time of the last one, so that a long list
/// takes a hundredth of a core.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_FACTOR: u32 = 100;

/// The hits of the blocklist's entries at the latest reading.
#[derive(Debug, Default)]
pub(super) struct BlockedTraffic {
    hits: HashMap<Prefix, u64>,
    blocked_syns: u64,
    next: Monotonic,
}

impl BlockedTraffic {
    /// Returns the entries with the most hits since the last reading, if blocked SYNs arrived and a reading is due.
    pub(super) fn busiest(
        &mut self,
        datapath: &Datapath,
        counters: &Counters,
        now: Monotonic,
    ) -> Result<Vec<Prefix>> {
        let blocked_syns = counters.blocked_syns();
        let is_quiet = blocked_syns == self.blocked_syns;
        if is_quiet || now < self.next {
            return Ok(Vec::new());
        }
        self.blocked_syns = blocked_syns;
        let begun_ns = clock::cpu_ns();
        let former = std::mem::take(&mut self.hits);
        let mut busiest = Vec::new();
        datapath.lists()?.for_each(List::Block, |key, entry| {
            let fresh = entry.hits.saturating_sub(former.get(key).copied().unwrap_or(0));
            if entry.hits > 0 && self.hits.len() < REMEMBERED_MAX {
                self.hits.insert(*key, entry.hits);
            }
            if fresh > 0 {
                busiest.push((Reverse(fresh), *key));
            }
            if busiest.len() > 2 * FOUND_MAX {
                keep_busiest(&mut busiest);
            }
        })?;
        keep_busiest(&mut busiest);
        let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(begun_ns));
        self.next = now + PAUSE_MIN.max(used * PAUSE_FACTOR);
        Ok(busiest.into_iter().map(|(_, key)| key).collect())
    }
}

fn keep_busiest(entries: &mut Vec<(Reverse<u64>, Prefix)>) {
    entries.sort_unstable();
    entries.truncate(FOUND_MAX);
}
