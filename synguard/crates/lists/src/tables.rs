//! The tables to which a change of the lists applies: those of the attached filter or, while none is attached, a copy of
//! the files in memory.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use synguard_common::{
    ip_list::{IpLists, LENGTHS_MAX, List, ListEntry, Prefix},
    map_names::LIST_CAPACITY_DEFAULT,
};
use synguard_datapath::{Datapath, ListSize, PrefixEntry};

/// The tables of both lists.
pub trait ListTables {
    /// Returns the number of entries and the capacity of a list.
    fn size(&self, list: List) -> Result<ListSize>;

    /// Returns the entry of exactly this prefix.
    fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>>;

    /// Passes every entry to `visit`, in no order.
    fn for_each(&self, list: List, visit: &mut dyn FnMut(&Prefix, &ListEntry)) -> Result<()>;

    /// Adds entries, or replaces those of the same prefixes.
    ///
    /// # Errors
    ///
    /// If the list has no room, in which case nothing has changed, or a table cannot be written.
    fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()>;

    /// Removes entries.
    fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64>;

    /// Replaces the whole list.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()>;

    /// Reports whether the files of a list lack changes that are in force.
    fn is_unsaved(&self, list: List) -> Result<bool>;

    /// Records whether the files of a list lack changes that are in force. The record lives as long as the table.
    fn set_unsaved(&mut self, list: List, is_unsaved: bool) -> Result<()>;
}

impl ListTables for Datapath {
    fn size(&self, list: List) -> Result<ListSize> {
        self.lists()?.size(list)
    }

    fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>> {
        self.lists()?.entry(list, key)
    }

    fn for_each(&self, list: List, visit: &mut dyn FnMut(&Prefix, &ListEntry)) -> Result<()> {
        self.lists()?.for_each(list, visit)
    }

    fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        self.lists()?.add(list, items)
    }

    fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64> {
        self.lists()?.remove(list, keys)
    }

    fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        self.lists()?.replace(list, items)
    }

    fn is_unsaved(&self, list: List) -> Result<bool> {
        Ok(self.unsaved_lists()?[list.index()])
    }

    fn set_unsaved(&mut self, list: List, is_unsaved: bool) -> Result<()> {
        self.lists()?.set_unsaved(list, is_unsaved)
    }
}

/// Tables in memory, which no packet meets. They have the default capacity, because that of the next attach is unknown.
#[derive(Debug, Default)]
pub(crate) struct MemoryTables {
    lists: [BTreeMap<Prefix, ListEntry>; 2],
    is_unsaved: [bool; 2],
}

impl MemoryTables {
    const CAPACITY: u64 = LIST_CAPACITY_DEFAULT as u64;

    /// Puts a list into force if the next attach would accept it.
    fn set(&mut self, list: List, entries: BTreeMap<Prefix, ListEntry>) -> Result<()> {
        let (need, capacity) = (entries.len() as u64, Self::CAPACITY);
        ensure!(need <= capacity, "the list would need {need} entries and may have {capacity}: remove some");
        let mut info = IpLists::EMPTY.info[list.index()];
        ensure!(
            entries.keys().all(|key| info.lengths_mut(key).add(key.length as u8, 1)),
            "the list would have IPv6 prefixes of more than {LENGTHS_MAX} different lengths: split or merge those of \
             the rarest lengths"
        );
        self.lists[list.index()] = entries;
        Ok(())
    }
}

impl ListTables for MemoryTables {
    fn size(&self, list: List) -> Result<ListSize> {
        Ok(ListSize { entries: self.lists[list.index()].len() as u64, capacity: Self::CAPACITY })
    }

    fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>> {
        Ok(self.lists[list.index()].get(key).copied())
    }

    fn for_each(&self, list: List, visit: &mut dyn FnMut(&Prefix, &ListEntry)) -> Result<()> {
        self.lists[list.index()].iter().for_each(|(key, entry)| visit(key, entry));
        Ok(())
    }

    fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        let mut entries = self.lists[list.index()].clone();
        entries.extend(items);
        self.set(list, entries)
    }

    fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64> {
        let entries = &mut self.lists[list.index()];
        Ok(keys.iter().filter(|key| entries.remove(key).is_some()).count() as u64)
    }

    fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        self.set(list, items.into_iter().collect())
    }

    fn is_unsaved(&self, list: List) -> Result<bool> {
        Ok(self.is_unsaved[list.index()])
    }

    fn set_unsaved(&mut self, list: List, is_unsaved: bool) -> Result<()> {
        self.is_unsaved[list.index()] = is_unsaved;
        Ok(())
    }
}
