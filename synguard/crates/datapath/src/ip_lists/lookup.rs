//! Reading the lists in the kernel: all entries, or those that cover an address.

use anyhow::Result;
use synguard_common::{
    addr::Addr,
    ip_list::{LENGTHS_MAX, List, ListEntry, ListInfo, Prefix},
};

use super::{ListMaps, MappedTable, PendingHits, prefix_entry::PrefixEntry, with_hits};

/// Lookup of many addresses in a list. It uses the table and the prefix lengths at the time of its creation, so it must
/// not be kept.
pub struct PrefixLookup {
    info: ListInfo,
    table: MappedTable,
    pending: PendingHits,
}

impl PrefixLookup {
    /// Returns the entries that cover a prefix, in the order in which the program looks them up. The caller checks
    /// their expiry and scope.
    pub fn covering(&self, prefix: &Prefix) -> Vec<PrefixEntry> {
        let lengths = if prefix.address.is_v4() { &self.info.v4 } else { &self.info.v6 };
        let mut items = Vec::new();
        for place in 0..(lengths.count as usize).min(LENGTHS_MAX) {
            let key = lengths.prefix(place, prefix.address);
            if key.length <= prefix.length {
                let entry = self.table.buckets().find(&key);
                items.extend(entry.map(|entry| (key, with_hits(&key, &entry, &self.pending))));
            }
        }
        items
    }
}

impl ListMaps<'_> {
    /// Passes every entry to `visit`, in no order.
    pub fn for_each(&self, list: List, mut visit: impl FnMut(&Prefix, &ListEntry)) -> Result<()> {
        let pending = self.pending_hits(list)?;
        self.for_each_in_table(list, |key, entry| visit(key, &with_hits(key, entry, &pending)))
    }

    /// Passes every entry to `visit` as it is in the table, without the hits in the CPUs' caches.
    pub(super) fn for_each_in_table(&self, list: List, visit: impl FnMut(&Prefix, &ListEntry)) -> Result<()> {
        if let Some(table) = self.table(list)? {
            table.buckets().for_each(visit);
        }
        Ok(())
    }

    /// Returns a lookup for many addresses; `None` if the list has no entries.
    pub fn lookup(&self, list: List) -> Result<Option<PrefixLookup>> {
        let info = self.read()?.info[list.index()];
        if info.entries() == 0 {
            return Ok(None);
        }
        let pending = self.pending_hits(list)?;
        Ok(self.table(list)?.map(|table| PrefixLookup { info, table, pending }))
    }

    /// Returns the entries that cover an address, like [`PrefixLookup::covering`].
    pub fn covering(&self, list: List, address: Addr) -> Result<Vec<PrefixEntry>> {
        let address = Prefix::new(address, 128);
        Ok(self.lookup(list)?.map_or_else(Vec::new, |lookup| lookup.covering(&address)))
    }
}
