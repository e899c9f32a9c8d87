//! Changes to the lists of an attached filter, made to the files and the tables together.
//!
//! The files are changed first, because an entry in force must also exist after a restart. If the tables then cannot be
//! changed, the files are rolled back. A process that is killed in between leaves a note in the lock file, and the next
//! transaction repairs the tables from the files.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};
use synguard_common::ip_list::List;
use synguard_datapath::{Datapath, ListMaps, ListSize};
use synguard_kernel::{clock, instance::Instance, lock::Lock, preflight};
use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, Origin},
    time::Now,
};

use crate::{
    check::EntryView,
    effective,
    format::file,
    store::{EntryChange, PendingWrite, Store},
};

/// Exclusive access to the lists of an attached filter. Each change is made to the files and the tables.
pub struct ListTransaction {
    instance: Instance,
    datapath: Datapath,
    lock: Lock,
}

impl ListTransaction {
    /// Takes the lock for changes and opens the filter of an instance.
    ///
    /// # Errors
    ///
    /// If this process lacks a privilege, the filter is not attached, or another process holds the lock for too long.
    pub fn open(instance: &Instance) -> Result<Self> {
        preflight::check_privileges()?;
        Self::open_as_controller(instance)
    }

    /// Does the same as [`Self::open`] without a check of privileges, for the controller, which has dropped those that
    /// it does not need.
    pub fn open_as_controller(instance: &Instance) -> Result<Self> {
        let open = || Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached());
        // The filter is opened before the lock is taken, because taking the lock creates its file.
        open()?;
        let lock = Lock::change(instance)?;
        match open() {
            Ok(datapath) => {
                let transaction = Self { instance: instance.clone(), datapath, lock };
                transaction.repair().context("finish a change that was cut short")?;
                Ok(transaction)
            }
            Err(error) => {
                // The filter was detached while this process waited for the lock.
                lock.remove_file();
                Err(error)
            }
        }
    }

    /// Replaces the tables by the contents of the files if the last transaction did not finish.
    fn repair(&self) -> Result<()> {
        if !self.lock.is_unfinished()? {
            return Ok(());
        }
        let now = clock::now();
        for list in List::ALL {
            // The tables are not used to repair damaged files here: they may contain half of a change.
            let stored = effective::load(&self.store(list), list, None, now)?;
            self.maps()?.replace(list, stored.iter().map(|entry| entry.to_abi(now)).collect())?;
        }
        self.lock.mark_finished()
    }

    /// Changes the files and then the tables. If the tables cannot be changed, the files are rolled back.
    fn change(
        &self,
        list: List,
        files: impl FnOnce(&Store) -> Result<PendingWrite<'_>>,
        tables: impl FnOnce(&mut ListMaps<'_>) -> Result<()>,
    ) -> Result<()> {
        let store = self.store(list);
        self.lock.mark_unfinished()?;
        let changed =
            files(&store).and_then(|pending| match self.maps().and_then(|mut maps| tables(&mut maps)) {
                Ok(()) => {
                    pending.commit();
                    Ok(())
                }
                Err(error) => {
                    pending.rollback()?;
                    Err(error.context(format!("the {} was not changed", list.name())))
                }
            });
        self.lock.mark_finished()?;
        changed
    }

    fn store(&self, list: List) -> Store {
        Store::new(&self.instance.state, list)
    }

    fn maps(&self) -> Result<ListMaps<'_>> {
        self.datapath.lists()
    }

    /// Adds entries, replacing those with the same targets. Of several entries with one target the last one counts.
    ///
    /// # Errors
    ///
    /// If the list has no room, or a file or table cannot be written. Nothing has changed then.
    pub fn add(&mut self, list: List, mut entries: Vec<Entry>, now: Now) -> Result<()> {
        file::sort(&mut entries);
        self.make_room(list, &entries, now)?;
        let changes: Vec<_> = entries.iter().map(EntryChange::Put).collect();
        let items = || entries.iter().map(|entry| entry.to_abi(now)).collect();
        self.change(
            list,
            |store| store.change(&changes, || self.stored(list, now)),
            |maps| maps.add(list, items()),
        )
    }

    /// Removes the entries of targets.
    ///
    /// # Errors
    ///
    /// If one of the targets is not in the list, or a file or table cannot be written. Nothing has changed then.
    pub fn remove(&mut self, list: List, targets: &[Target], now: Now) -> Result<()> {
        for &target in targets {
            if self.entry(list, target, now)?.is_none() {
                return Err(self.not_listed(list, target, now));
            }
        }
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        let changes: Vec<_> = targets.iter().copied().map(EntryChange::Remove).collect();
        let keys: Vec<_> = targets.into_iter().map(Target::key).collect();
        self.change(
            list,
            |store| store.change(&changes, || self.stored(list, now)),
            |maps| maps.remove(list, &keys).map(drop),
        )
    }

    /// Replaces the whole list by sorted entries. Every packet meets either the old list or the new one.
    ///
    /// # Errors
    ///
    /// If the list has no room, or a file or table cannot be written. Nothing has changed then.
    pub fn replace(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let capacity = self.maps()?.size(list)?.capacity;
        check_room(list, entries.len() as u64, capacity)?;
        let items = || entries.iter().map(|entry| entry.to_abi(now)).collect();
        self.change(list, |store| store.replace(entries), |maps| maps.replace(list, items()))
    }

    /// Returns the number of entries and the capacity of a list.
    pub fn size(&self, list: List) -> Result<ListSize> {
        self.maps()?.size(list)
    }

    /// Returns the unexpired entry of exactly this target, without the details that only the files contain.
    pub fn entry(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let key = target.key();
        let entry = self.maps()?.entry(list, &key)?;
        Ok(entry.map(|entry| EntryView::from_abi(&key, &entry)).filter(|view| !view.is_expired(now)))
    }

    /// Returns the unexpired entry of exactly this target, with the details in the files.
    pub fn detailed_entry(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let mut view = self.entry(list, target, now)?;
        if let Some(view) = &mut view {
            add_details(view, &self.stored(list, now)?);
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
            let stored = self.stored(list, now)?;
            for view in &mut views {
                add_details(view, &stored);
            }
        }
        Ok(views)
    }

    /// Returns every unexpired entry, sorted by target, with the details in the files.
    pub fn entries(&self, list: List, now: Now) -> Result<Vec<EntryView>> {
        effective::views(&self.maps()?, list, self.stored(list, now)?, now)
    }

    /// Counts the unexpired entries of an origin whose targets are not among these sorted entries.
    pub fn count_missing(&self, list: List, origin: Origin, entries: &[Entry], now: Now) -> Result<u64> {
        let mut missing = 0;
        self.maps()?.for_each(list, |key, entry| {
            let view = EntryView::from_abi(key, entry);
            let counts = view.origin == origin && !view.is_expired(now);
            if counts && entries.binary_search_by_key(&view.target, |entry| entry.target).is_err() {
                missing += 1;
            }
        })?;
        Ok(missing)
    }

    /// Removes expired entries from a table and returns their number. The files drop theirs when they are read.
    pub fn remove_expired(&mut self, list: List, now: Now) -> Result<u64> {
        let mut maps = self.maps()?;
        let mut expired = Vec::new();
        maps.for_each(list, |key, entry| {
            if !entry.is_effective(now.monotonic_ns) {
                expired.push(*key);
            }
        })?;
        maps.remove(list, &expired)
    }

    fn stored(&self, list: List, now: Now) -> Result<Vec<Entry>> {
        effective::load(&self.store(list), list, Some(&self.maps()?), now)
    }

    /// Makes room for sorted entries by removing expired ones, if necessary.
    fn make_room(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let size = self.maps()?.size(list)?;
        if size.entries + entries.len() as u64 <= size.capacity {
            return Ok(());
        }
        self.remove_expired(list, now)?;
        let maps = self.maps()?;
        let size = maps.size(list)?;
        let mut known = 0;
        maps.for_each(list, |key, _| {
            let target = Target::from_key(key);
            known += u64::from(entries.binary_search_by_key(&target, |entry| entry.target).is_ok());
        })?;
        check_room(list, size.entries + entries.len() as u64 - known, size.capacity)
    }

    /// Returns the error about a target that is not in a list. It names the entry that covers the target, if any.
    fn not_listed(&self, list: List, target: Target, now: Now) -> anyhow::Error {
        let name = list.name();
        let wider = self.covering(list, target, now).unwrap_or_default();
        let hint = match wider.first() {
            Some(view) => format!("{} in it covers {target}: name that", view.target),
            None => format!("`synguard {} list` shows what is", list.verb()),
        };
        anyhow::anyhow!("{target} is not in the {name}, so nothing was changed; {hint}")
    }
}

/// Adds the details that sorted entries of the files contain.
fn add_details(view: &mut EntryView, stored: &[Entry]) {
    if let Ok(place) = stored.binary_search_by_key(&view.target, |entry| entry.target) {
        view.add_details(&stored[place]);
    }
}

fn check_room(list: List, need: u64, capacity: u64) -> Result<()> {
    if need > capacity {
        let name = list.name();
        bail!(
            "the {name} would need {need} entries and may have {capacity}, so nothing was changed: take some out, \
             import with --aggregate, or attach with a larger --max-list"
        );
    }
    Ok(())
}
