//! Reading the lists in the kernel: whole, or what they have about an address.

use anyhow::{Context as _, Result};
use aya::maps::IterableMap as _;
use synguard_common::{
    list::{LENGTHS_MAX, List, ListEntry, ListInfo, ListKey},
    prefix::{self, Halves},
};

use super::{
    super::table::{self, Budget, Coverage},
    Entries, Item, ListMaps, find,
};

/// Looks many addresses up in a list. It knows the lengths that occurred when it was made, so it is not to be kept.
pub struct Finder {
    info: ListInfo,
    hash: Entries,
}

impl Finder {
    /// The entries that cover a prefix, in the order in which the datapath asks for them; whether they hold, or
    /// speak of a packet, is for the caller to say.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn covering(&self, prefix: &ListKey) -> Result<Vec<Item>> {
        let lengths = if prefix::is_v4_mapped(prefix.address) { &self.info.v4 } else { &self.info.v6 };
        let mut items = Vec::new();
        for place in 0..(lengths.count as usize).min(LENGTHS_MAX) {
            let key = lengths.key(place, prefix.address);
            if key.length <= prefix.length {
                items.extend(find(&self.hash, &key)?.map(|entry| (key, entry)));
            }
        }
        Ok(items)
    }
}

impl ListMaps<'_> {
    /// Passes every entry to `visit`, in no order.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn for_each(&self, list: List, visit: impl FnMut(&ListKey, &ListEntry)) -> Result<()> {
        // The writer's lock, or the reader's patience, bounds it: nobody else adds entries.
        self.for_each_within(list, Budget::UNLIMITED, visit).map(drop)
    }

    /// Passes entries to `visit`, in no order, as far as the budget goes.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn for_each_within(
        &self,
        list: List,
        budget: Budget,
        visit: impl FnMut(&ListKey, &ListEntry),
    ) -> Result<Coverage> {
        let Some(hash) = self.hash(list)? else { return Ok(Coverage { entries: 0, share: 1.0 }) };
        table::for_each(hash.map(), budget, visit).context("read a list")
    }

    /// What looks many addresses up in a list; `None` if it has no entries.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn finder(&self, list: List) -> Result<Option<Finder>> {
        let info = self.read()?.info[list.index()];
        if info.entries() == 0 {
            return Ok(None);
        }
        Ok(self.hash(list)?.map(|hash| Finder { info, hash }))
    }

    /// The entries that cover an address, in the order in which the datapath asks for them; whether they hold, or
    /// speak of a packet, is for the caller to say.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn covering(&self, list: List, address: Halves) -> Result<Vec<Item>> {
        let address = ListKey::new(address, 128);
        self.finder(list)?.map_or_else(|| Ok(Vec::new()), |finder| finder.covering(&address))
    }
}
