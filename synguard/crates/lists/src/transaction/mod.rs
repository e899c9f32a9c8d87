//! Changes to the lists, made to the files and the tables together.
//!
//! The files are changed first, because an entry in force must also exist after a restart. If the tables then cannot be
//! changed, the files are rolled back. A process that is killed in between leaves a note in the lock file, and the next
//! transaction repairs the tables from the files.
//!
//! An emergency must not depend on the disk: if the files cannot be written, the tables are changed nevertheless, and a record
//! beside them says so (module `unsaved`). From then on the tables are the truth, until a later transaction has written the
//! files anew.
//!
//! While no filter is attached, a change applies to the files alone and takes effect at the next attach.

mod access;
mod entries;
mod unsaved;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Result, bail};
use synguard_common::ip_list::List;
use synguard_kernel::lock::Lock;
use synguard_model::{ip_prefix::Target, list_entry::Entry, time::Now};

pub use self::unsaved::{LostChanges, save_before_removal};
use crate::{
    format::file,
    store::{EntryChange, PendingWrite, Store},
    tables::ListTables,
};

/// Exclusive access to the lists of an instance.
pub struct ListTransaction {
    /// Folder of the files.
    state: PathBuf,
    tables: Box<dyn ListTables>,
    lock: Lock,
    is_attached: bool,
    /// Reason for which the files of each list lack changes that are in force, by [`List::index`].
    unsaved: [Option<String>; 2],
}

impl ListTransaction {
    /// Reports whether a filter is attached, so that changes take effect at once.
    pub const fn is_attached(&self) -> bool {
        self.is_attached
    }

    /// Adds entries, replacing those with the same targets. Of several entries with one target the last one counts.
    ///
    /// # Errors
    ///
    /// If the list has no room, or the tables cannot be written. Nothing has changed then.
    pub fn add(&mut self, list: List, mut entries: Vec<Entry>, now: Now) -> Result<()> {
        file::sort(&mut entries);
        self.make_room(list, &entries, now)?;
        let changes: Vec<_> = entries.iter().map(EntryChange::Put).collect();
        let items = entries.iter().map(|entry| entry.to_abi(now)).collect();
        self.change(
            list,
            |this, store| store.change(&changes, || this.stored(list, now)),
            |tables| tables.add(list, items),
        )
    }

    /// Removes the entries of targets; those without an entry are skipped.
    ///
    /// # Errors
    ///
    /// If the tables cannot be written.
    pub fn remove(&mut self, list: List, targets: &[Target], now: Now) -> Result<()> {
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        let changes: Vec<_> = targets.iter().copied().map(EntryChange::Remove).collect();
        let keys: Vec<_> = targets.into_iter().map(Target::key).collect();
        self.change(
            list,
            |this, store| store.change(&changes, || this.stored(list, now)),
            |tables| tables.remove(list, &keys).map(drop),
        )
    }

    /// Replaces the whole list by sorted entries. Every packet meets either the old list or the new one.
    ///
    /// # Errors
    ///
    /// If the list has no room, or the tables cannot be written. Nothing has changed then.
    pub fn replace(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let capacity = self.size(list)?.capacity;
        check_room(list, entries.len() as u64, capacity)?;
        let items = entries.iter().map(|entry| entry.to_abi(now)).collect();
        self.change(list, |_, store| store.replace(entries), |tables| tables.replace(list, items))
    }

    /// Changes the files and then the tables; without the files if they cannot be written and a filter is attached. If the
    /// tables cannot be changed, the files are rolled back.
    fn change(
        &mut self,
        list: List,
        files: impl for<'a> FnOnce(&Self, &'a Store) -> Result<PendingWrite<'a>>,
        tables: impl FnOnce(&mut dyn ListTables) -> Result<()>,
    ) -> Result<()> {
        let store = self.store(list);
        let was_unsaved = self.unsaved(list).is_some();
        let note = self.lock.mark_unfinished();
        let can_note = note.is_ok();
        let written = if was_unsaved { Ok(None) } else { note.and_then(|()| files(self, &store).map(Some)) };
        let pending = match written {
            Ok(pending) => pending,
            Err(error) if self.is_attached => {
                self.begin_unsaved(list, &error)?;
                None
            }
            Err(error) => {
                self.lock.mark_finished()?;
                return Err(error.context("nothing was changed"));
            }
        };
        let changed = tables(&mut *self.tables);
        match (&changed, pending) {
            (Ok(()), Some(pending)) => pending.commit(),
            (Err(_), Some(pending)) => self.roll_back(list, pending)?,
            // The files may be writable although the note was not, and cannot be otherwise.
            (Ok(()), None) if !can_note => self.save(list),
            (Err(_), None) if !was_unsaved => self.end_unsaved(list)?,
            (_, None) => {}
        }
        self.lock.mark_finished()?;
        changed.map_err(|error| error.context(format!("the {} was not changed", list.name())))
    }

    fn roll_back(&mut self, list: List, pending: PendingWrite<'_>) -> Result<()> {
        match pending.rollback() {
            Err(error) if self.is_attached => self.begin_unsaved(list, &error),
            result => result,
        }
    }

    fn store(&self, list: List) -> Store {
        Store::new(&self.state, list)
    }

    /// Makes room for sorted entries by removing expired ones, if necessary.
    fn make_room(&mut self, list: List, entries: &[Entry], now: Now) -> Result<()> {
        let size = self.size(list)?;
        if size.entries + entries.len() as u64 <= size.capacity {
            return Ok(());
        }
        self.remove_expired(list, now)?;
        let size = self.size(list)?;
        let mut known = 0;
        self.tables.for_each(list, &mut |key, _| {
            let target = Target::from_key(key);
            known += u64::from(entries.binary_search_by_key(&target, |entry| entry.target).is_ok());
        })?;
        check_room(list, size.entries + entries.len() as u64 - known, size.capacity)
    }

    /// Removes expired entries from a table and returns their number. The files drop theirs when they are read.
    pub fn remove_expired(&mut self, list: List, now: Now) -> Result<u64> {
        let mut expired = Vec::new();
        self.tables.for_each(list, &mut |key, entry| {
            if !entry.is_effective(now.monotonic_ns) {
                expired.push(*key);
            }
        })?;
        self.tables.remove(list, &expired)
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
