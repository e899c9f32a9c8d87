//! The lists of an attached filter: its tables and its files, changed together. The files come first, because
//! what is in force must also be there after a restart; if the tables then cannot be changed, neither are they.
//! Whoever is killed in between has left a note in the lock's file, and the next one makes the tables agree.

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

/// The lists of an attached filter, which nobody else changes meanwhile.
pub struct ListTransaction {
    instance: Instance,
    datapath: Datapath,
    lock: Lock,
}

impl ListTransaction {
    /// Takes the lock for a change and opens an instance's filter.
    ///
    /// # Errors
    /// If the filter is not attached, or somebody else holds the lock for too long.
    pub fn open(instance: &Instance) -> Result<Self> {
        preflight::privilege()?;
        Self::open_as_controller(instance)
    }

    /// The same, for the controller, which has given up privileges that only others need.
    ///
    /// # Errors
    /// If the filter is not attached, or somebody else holds the lock for too long.
    pub fn open_as_controller(instance: &Instance) -> Result<Self> {
        let open = || Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached());
        // Before the lock is taken, because that makes its file.
        open()?;
        let lock = Lock::change(instance)?;
        match open() {
            Ok(datapath) => {
                let live = Self { instance: instance.clone(), datapath, lock };
                live.finish().context("finish a change that was cut short")?;
                Ok(live)
            }
            Err(error) => {
                // It was detached while this waited.
                lock.remove_file();
                Err(error)
            }
        }
    }

    /// Makes the tables agree with the files if somebody was killed while they did not.
    fn finish(&self) -> Result<()> {
        if !self.lock.is_unfinished()? {
            return Ok(());
        }
        let now = clock::now();
        for list in List::ALL {
            // What is in force is no help here: it may be half of a change.
            let stored = effective::load(&Store::new(&self.instance.state, list), list, None, now)?;
            self.maps()?.replace(list, stored.iter().map(|entry| entry.to_abi(now)).collect())?;
        }
        self.lock.end()
    }

    /// Changes the files and then the tables. If the tables cannot be changed, the files are put back.
    fn change(
        &self,
        list: List,
        files: impl FnOnce(&Store) -> Result<PendingWrite<'_>>,
        tables: impl FnOnce(&mut ListMaps<'_>) -> Result<()>,
    ) -> Result<()> {
        let store = Store::new(&self.instance.state, list);
        self.lock.begin()?;
        let changed =
            files(&store).and_then(|written| match self.maps().and_then(|mut maps| tables(&mut maps)) {
                Ok(()) => {
                    written.commit();
                    Ok(())
                }
                Err(error) => {
                    written.rollback()?;
                    Err(error.context(format!("the {} was not changed", list.name())))
                }
            });
        self.lock.end()?;
        changed
    }

    fn maps(&self) -> Result<ListMaps<'_>> {
        self.datapath.lists()
    }

    /// Adds entries, or puts them in the place of those with the same target. Of several with one target the last
    /// counts.
    ///
    /// # Errors
    /// If there is no room, or something cannot be written; then nothing has changed.
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

    /// Takes targets out.
    ///
    /// # Errors
    /// If one of them is not in the list, or something cannot be written; then nothing has changed.
    pub fn remove(&mut self, list: List, targets: &[Target], now: Now) -> Result<()> {
        for &target in targets {
            if self.find(list, target, now)?.is_none() {
                return Err(self.not_there(list, target, now));
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

    /// Puts sorted entries in the place of the whole list. Every packet meets either the old one or the new one.
    ///
    /// # Errors
    /// If there is no room, or something cannot be written; then nothing has changed.
    pub fn replace(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let capacity = self.maps()?.size(list)?.capacity;
        check_room(list, entries.len() as u64, capacity)?;
        let items = || entries.iter().map(|entry| entry.to_abi(now)).collect();
        self.change(list, |store| store.replace(entries), |maps| maps.replace(list, items()))
    }

    /// How full a list is.
    ///
    /// # Errors
    /// If its table cannot be read.
    pub fn size(&self, list: List) -> Result<ListSize> {
        self.maps()?.size(list)
    }

    /// What is known of a target if it is in the list, and its time is not over. Without what the files know.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn find(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let key = target.key();
        let entry = self.maps()?.entry(list, &key)?;
        Ok(entry.map(|entry| EntryView::from_abi(&key, &entry)).filter(|view| !view.is_over(now)))
    }

    /// The same with what the files know.
    ///
    /// # Errors
    /// If the table or a file cannot be read.
    pub fn described(&self, list: List, target: Target, now: Now) -> Result<Option<EntryView>> {
        let mut view = self.find(list, target, now)?;
        if let Some(view) = &mut view {
            describe(view, &self.stored(list, now)?);
        }
        Ok(view)
    }

    /// The entries that cover a target and whose time is not over, the longest prefix first. Without what the
    /// files know.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn covering(&self, list: List, target: Target, now: Now) -> Result<Vec<EntryView>> {
        let found: Result<Vec<_>> = target.covering().map(|target| self.find(list, target, now)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// The entries that are about an address, with what the files know of them.
    ///
    /// # Errors
    /// If the table or a file cannot be read.
    pub fn about(&self, list: List, address: IpAddr, now: Now) -> Result<Vec<EntryView>> {
        let mut views = self.covering(list, Target::host(address), now)?;
        if !views.is_empty() {
            let stored = self.stored(list, now)?;
            views.iter_mut().for_each(|view| describe(view, &stored));
        }
        Ok(views)
    }

    /// Every entry whose time is not over, sorted by target, with what the files know of it.
    ///
    /// # Errors
    /// If the table or a file cannot be read.
    pub fn all(&self, list: List, now: Now) -> Result<Vec<EntryView>> {
        effective::views(&self.maps()?, list, self.stored(list, now)?, now)
    }

    /// How many entries of an origin are not among these sorted ones, their time not being over.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn missing(&self, list: List, origin: Origin, entries: &[Entry], now: Now) -> Result<u64> {
        let mut missing = 0;
        self.maps()?.for_each(list, |key, entry| {
            let view = EntryView::from_abi(key, entry);
            let counts = view.origin == origin && !view.is_over(now);
            if counts && entries.binary_search_by_key(&view.target, |entry| entry.target).is_err() {
                missing += 1;
            }
        })?;
        Ok(missing)
    }

    /// Takes entries whose time is over out of a table; the files lose theirs when they are read. Returns how many
    /// there were.
    ///
    /// # Errors
    /// If the table cannot be changed.
    pub fn collect(&mut self, list: List, now: Now) -> Result<u64> {
        let mut maps = self.maps()?;
        let mut over = Vec::new();
        maps.for_each(list, |key, entry| {
            if !entry.is_effective(now.monotonic_ns) {
                over.push(*key);
            }
        })?;
        maps.remove(list, &over)
    }

    fn stored(&self, list: List, now: Now) -> Result<Vec<Entry>> {
        effective::load(&Store::new(&self.instance.state, list), list, Some(&self.maps()?), now)
    }

    /// Sees to it that sorted entries fit into a list.
    fn make_room(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let size = self.maps()?.size(list)?;
        if size.entries + entries.len() as u64 <= size.capacity {
            return Ok(());
        }
        self.collect(list, now)?;
        let maps = self.maps()?;
        let size = maps.size(list)?;
        let mut known = 0;
        maps.for_each(list, |key, _| {
            let target = Target::from_key(key);
            known += u64::from(entries.binary_search_by_key(&target, |entry| entry.target).is_ok());
        })?;
        check_room(list, size.entries + entries.len() as u64 - known, size.capacity)
    }

    /// The error about a target that is not in a list, and what else may have been meant.
    fn not_there(&self, list: List, target: Target, now: Now) -> anyhow::Error {
        let name = list.name();
        let wider = self.covering(list, target, now).unwrap_or_default();
        let hint = match wider.first() {
            Some(view) => format!("{} in it covers {target}: name that", view.target),
            None => format!("`synguard {} list` shows what is", list.verb()),
        };
        anyhow::anyhow!("{target} is not in the {name}, so nothing was changed; {hint}")
    }
}

/// Takes over what sorted entries of the files say of an entry.
fn describe(view: &mut EntryView, stored: &[Entry]) {
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
