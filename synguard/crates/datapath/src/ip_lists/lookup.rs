//! Reading the lists in the kernel: whole, or what they have about an address.

use anyhow::Result;
use synguard_common::{
    addr::{self, Halves},
    ip_list::{LENGTHS_MAX, List, ListEntry, ListInfo, Prefix},
};

use super::{ListMaps, ListTable, PendingHits, prefix_entry::PrefixEntry, with_hits};

/// Looks many addresses up in a list. It knows the lengths that occurred when it was made, so it is not to be kept.
pub struct PrefixLookup {
    info: ListInfo,
    table: ListTable,
    pending: PendingHits,
}

impl PrefixLookup {
    /// The entries that cover a prefix, in the order in which the datapath asks for them; whether they hold, or
    /// speak of a packet, is for the caller to say.
    pub fn covering(&self, prefix: &Prefix) -> Vec<PrefixEntry> {
        let lengths = if addr::is_v4_mapped(prefix.address) { &self.info.v4 } else { &self.info.v6 };
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
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn for_each(&self, list: List, mut visit: impl FnMut(&Prefix, &ListEntry)) -> Result<()> {
        let pending = self.pending(list)?;
        self.for_each_written(list, |key, entry| visit(key, &with_hits(key, entry, &pending)))
    }

    /// Passes every entry to `visit` as it is in the table.
    pub(super) fn for_each_written(&self, list: List, visit: impl FnMut(&Prefix, &ListEntry)) -> Result<()> {
        if let Some(table) = self.table(list)? {
            table.buckets().for_each(visit);
        }
        Ok(())
    }

    /// What looks many addresses up in a list; `None` if it has no entries.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn lookup(&self, list: List) -> Result<Option<PrefixLookup>> {
        let info = self.read()?.info[list.index()];
        if info.entries() == 0 {
            return Ok(None);
        }
        let pending = self.pending(list)?;
        Ok(self.table(list)?.map(|table| PrefixLookup { info, table, pending }))
    }

    /// The entries that cover an address, in the order in which the datapath asks for them; whether they hold, or
    /// speak of a packet, is for the caller to say.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn covering(&self, list: List, address: Halves) -> Result<Vec<PrefixEntry>> {
        let address = Prefix::new(address, 128);
        Ok(self.lookup(list)?.map_or_else(Vec::new, |finder| finder.covering(&address)))
    }
}
