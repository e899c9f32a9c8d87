//! The lists of an attached filter: its tables and its files, changed together. The files come first, because
//! what is in force must also be there after a restart; if the tables then cannot be changed, neither are they.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};

use super::{
    Entry, List, Now, Target, View, file,
    store::{Change, Loaded, Store},
};
use crate::{
    datapath::{Datapath, ListMaps, ListSize},
    instance::Instance,
    lock::Lock,
    preflight,
};

/// The lists of an attached filter, which nobody else changes meanwhile.
pub struct Live {
    instance: Instance,
    datapath: Datapath,
    _lock: Lock,
}

impl Live {
    /// Takes the lock for a change and opens an instance's filter.
    ///
    /// # Errors
    /// If the filter is not attached, or somebody else holds the lock for too long.
    pub fn open(instance: &Instance) -> Result<Self> {
        preflight::privilege()?;
        let open = || Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached());
        // Before the lock is taken, because that makes its file.
        open()?;
        let lock = Lock::change(instance)?;
        match open() {
            Ok(datapath) => Ok(Self { instance: instance.clone(), datapath, _lock: lock }),
            Err(error) => {
                // It was detached while this waited.
                lock.remove_file();
                Err(error)
            }
        }
    }

    fn maps(&self) -> Result<ListMaps<'_>> {
        self.datapath.lists()
    }

    fn store(&self, list: List) -> Store {
        Store::new(&self.instance.state, list)
    }

    /// Adds entries, or puts them in the place of those with the same target. Of several with one target the last
    /// counts.
    ///
    /// # Errors
    /// If there is no room, or something cannot be written; then nothing has changed.
    pub fn add(&mut self, list: List, mut entries: Vec<Entry>, now: Now) -> Result<()> {
        file::sort(&mut entries);
        self.make_room(list, &entries, now)?;
        let store = self.store(list);
        let changes: Vec<_> = entries.iter().map(Change::Put).collect();
        let written = store.change(&changes, now)?;
        drop(changes);
        let items = entries.iter().map(|entry| entry.to_abi(now)).collect();
        match self.maps()?.add(list, items) {
            Ok(()) => written.keep(),
            Err(error) => {
                written.undo()?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes targets out.
    ///
    /// # Errors
    /// If one of them is not in the list, or something cannot be written; then nothing has changed.
    pub fn remove(&mut self, list: List, targets: &[Target], now: Now) -> Result<()> {
        let mut maps = self.maps()?;
        for &target in targets {
            if self.find(list, target, now)?.is_none() {
                return Err(self.not_there(list, target, now));
            }
        }
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        let changes: Vec<_> = targets.iter().copied().map(Change::Remove).collect();
        let store = self.store(list);
        let written = store.change(&changes, now)?;
        let keys: Vec<_> = targets.into_iter().map(Target::key).collect();
        match maps.remove(list, &keys) {
            Ok(_) => written.keep(),
            Err(error) => {
                written.undo()?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Puts sorted entries in the place of the whole list. Every packet meets either the old one or the new one.
    ///
    /// # Errors
    /// If there is no room, or something cannot be written; then nothing has changed.
    pub fn replace(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let capacity = self.maps()?.size(list)?.capacity;
        check_room(list, entries.len() as u64, capacity)?;
        let store = self.store(list);
        let written = store.replace(entries)?;
        let items = entries.iter().map(|entry| entry.to_abi(now)).collect();
        match self.maps()?.replace(list, items) {
            Ok(()) => written.keep(),
            Err(error) => {
                written.undo()?;
                return Err(error);
            }
        }
        Ok(())
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
    pub fn find(&self, list: List, target: Target, now: Now) -> Result<Option<View>> {
        let key = target.key();
        let entry = self.maps()?.entry(list, &key)?;
        Ok(entry.map(|entry| View::from_abi(&key, &entry)).filter(|view| !view.is_over(now)))
    }

    /// The same with what the files know.
    ///
    /// # Errors
    /// If the table or a file cannot be read.
    pub fn described(&self, list: List, target: Target, now: Now) -> Result<Option<View>> {
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
    pub fn covering(&self, list: List, target: Target, now: Now) -> Result<Vec<View>> {
        let found: Result<Vec<_>> = target.covering().map(|target| self.find(list, target, now)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// The entries that are about an address, with what the files know of them.
    ///
    /// # Errors
    /// If the table or a file cannot be read.
    pub fn about(&self, list: List, address: IpAddr, now: Now) -> Result<Vec<View>> {
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
    pub fn all(&self, list: List, now: Now) -> Result<Vec<View>> {
        let maps = self.maps()?;
        let mut views = Vec::with_capacity(usize::try_from(maps.size(list)?.entries).unwrap_or(0));
        maps.for_each(list, |key, entry| {
            let view = View::from_abi(key, entry);
            if !view.is_over(now) {
                views.push(view);
            }
        })?;
        views.sort_unstable_by_key(|view| view.target);
        let mut stored = self.stored(list, now)?.into_iter().peekable();
        for view in &mut views {
            while stored.next_if(|entry| entry.target < view.target).is_some() {}
            if let Some(entry) = stored.next_if(|entry| entry.target == view.target) {
                view.describe(&entry);
            }
        }
        Ok(views)
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
            if !entry.holds(now.monotonic_ns) {
                over.push(*key);
            }
        })?;
        maps.remove(list, &over)
    }

    fn stored(&self, list: List, now: Now) -> Result<Vec<Entry>> {
        let Loaded { entries, warnings } = self.store(list).load(now)?;
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        Ok(entries)
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
fn describe(view: &mut View, stored: &[Entry]) {
    if let Ok(place) = stored.binary_search_by_key(&view.target, |entry| entry.target) {
        view.describe(&stored[place]);
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

/// The entries of a list that an instance's files hold, for a filter that is about to be attached. Never fails:
/// what is wrong with the files is logged, and the rest is what counts.
pub fn restore(instance: &Instance, list: List, now: Now) -> Vec<Entry> {
    let loaded = Store::new(&instance.state, list).load(now);
    let loaded =
        loaded.with_context(|| format!("the {} is empty, for its files cannot be read", list.name()));
    match loaded {
        Ok(Loaded { entries, warnings }) => {
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            entries
        }
        Err(error) => {
            log::error!("{}", crate::error::one_line(&format!("{error:#}")));
            Vec::new()
        }
    }
}
