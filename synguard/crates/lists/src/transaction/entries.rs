//! Reading the lists within a transaction.

use std::net::IpAddr;

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::ListSize;
use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, Origin},
    time::Now,
};

use super::ListTransaction;
use crate::{check::EntryView, effective};

impl ListTransaction {
    /// Returns the number of entries and the capacity of a list.
    pub fn size(&self, list: List) -> Result<ListSize> {
        self.tables.size(list)
    }

    /// Returns the unexpired entry of exactly this target, without the details that only the files contain.
    pub fn entry(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let key = target.key();
        let entry = self.tables.entry(list, &key)?;
        Ok(entry.map(|entry| EntryView::from_abi(&key, &entry)).filter(|view| !view.is_expired(now)))
    }

    /// Returns the unexpired entry of exactly this target, with the details in the files.
    pub fn detailed_entry(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let mut view = self.entry(list, target, now)?;
        if let Some(view) = &mut view {
            self.add_details(list, view, &self.details(list, now), now);
        }
        Ok(view)
    }

    /// Returns the unexpired entries that cover a target, the longest prefix first, without the details that only the
    /// files contain.
    pub fn covering(&self, list: List, target: Target, now: Now) -> Result<Vec<EntryView>> {
        let found: Result<Vec<_>> = target.covering().map(|target| self.entry(list, target, now)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// Returns the unexpired entries that cover an address, the longest prefix first, with the details in the files.
    pub fn detailed_covering(&self, list: List, address: IpAddr, now: Now) -> Result<Vec<EntryView>> {
        let mut views = self.covering(list, Target::host(address), now)?;
        if !views.is_empty() {
            let stored = self.details(list, now);
            for view in &mut views {
                self.add_details(list, view, &stored, now);
            }
        }
        Ok(views)
    }

    /// Returns every unexpired entry, sorted by target, with the details in the files.
    pub fn entries(&self, list: List, now: Now) -> Result<Vec<EntryView>> {
        effective::views(&*self.tables, list, self.details(list, now), now)
    }

    /// Counts the unexpired entries of an origin whose targets are not among these sorted entries.
    pub fn count_missing(&self, list: List, origin: Origin, entries: &[Entry], now: Now) -> Result<u64> {
        let mut missing = 0;
        self.tables.for_each(list, &mut |key, entry| {
            let view = EntryView::from_abi(key, entry);
            let counts = view.origin == origin && !view.is_expired(now);
            if counts && entries.binary_search_by_key(&view.target, |entry| entry.target).is_err() {
                missing += 1;
            }
        })?;
        Ok(missing)
    }

    /// Returns the entries in the files.
    pub(super) fn stored(&self, list: List, now: Now) -> Result<Vec<Entry>> {
        effective::load(&self.store(list), list, Some(&*self.tables), now)
    }

    /// Returns the entries in the files for their details. Those of files that cannot be read are left out.
    pub(super) fn details(&self, list: List, now: Now) -> Vec<Entry> {
        self.stored(list, now).unwrap_or_else(|error| {
            log::warn!("reasons and dates in the {} are left out: {error:#}", list.name());
            Vec::new()
        })
    }

    /// Adds the details that sorted entries of the files contain.
    fn add_details(&self, list: List, view: &mut EntryView, stored: &[Entry], now: Now) {
        if let Ok(place) = stored.binary_search_by_key(&view.target, |entry| entry.target) {
            view.add_details(&stored[place], self.unsaved(list).is_some(), now);
        }
    }
}
