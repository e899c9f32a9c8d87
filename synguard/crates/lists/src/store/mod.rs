//! The files of the lists, which survive a detach and a reboot and contain the reasons and dates of entries.
//!
//! Each list has a base file (`block.list`, `allow.list` in the state directory), which is written as a whole and renamed
//! into place, and a log (`block.log`, `allow.log`) of the changes since then.
//! The cost of appending a change to the log does not depend on the length of the list. When the log has grown, or a
//! change is large, base file and log are merged into a new base file. A kill or power cut at any moment leaves either
//! the state before a change or the state after it.
//!
//! Callers hold [`synguard_kernel::lock::Lock::change`], also to read, because a change replaces one file after
//! another.

mod base;
mod files;
mod log;

use std::{collections::BTreeMap, io, path::Path};

use anyhow::{Context as _, Result, bail};
use synguard_common::ip_list::List;
use synguard_model::{ip_prefix::Target, list_entry::Entry, time::Now};

use self::files::ListFiles;
pub use self::{files::StoreStamp, log::EntryChange};
use crate::format::file;

/// Greatest length of a log in bytes, about twenty thousand addresses. A longer one is merged into the base file.
const LOG_MAX: usize = 1024 * 1024;

/// The files of one list.
#[derive(Debug)]
pub struct Store {
    files: ListFiles,
    list: List,
    /// [`LOG_MAX`], except in tests.
    log_max: usize,
}

/// Contents of the files of a list.
#[derive(Debug, Default)]
pub struct LoadedList {
    /// Unexpired entries, sorted by target.
    pub entries: Vec<Entry>,
    /// Descriptions of damage and of its repair, one line each.
    pub warnings: Vec<String>,
}

/// A change that is on disk and can still be rolled back.
#[must_use = "a change must be committed or rolled back"]
#[derive(Debug)]
pub struct PendingWrite<'a> {
    store: &'a Store,
    rollback: Rollback,
}

/// Steps that roll a change back.
#[derive(Debug)]
enum Rollback {
    /// Nothing was written.
    Nothing,
    /// The log is cut to its former length, or removed if it did not exist.
    Log(Option<u64>),
    /// The former base file is restored. `empty` is true if the new list is empty.
    Base { empty: bool },
}

/// Contents of the files before expired entries are dropped and damage is repaired.
struct RawContents {
    base: Option<base::BaseFile>,
    changes: BTreeMap<Target, Option<Entry>>,
    /// Generation of the base file or, if that is missing, of the log.
    generation: u64,
    /// True if the base file is damaged, so that a new one must be written.
    repair: bool,
    /// Reason for which the log must be quarantined.
    bad_log: Option<String>,
    /// True if the log belongs to an earlier base file.
    stale_log: bool,
    warnings: Vec<String>,
}

impl Store {
    /// Returns the store of a list in an instance's state folder, without opening a file.
    pub fn new(folder: &Path, list: List) -> Self {
        Self { files: ListFiles::new(folder, list), list, log_max: LOG_MAX }
    }

    /// Returns a stamp that changes whenever the files change.
    pub fn stamp(&self) -> StoreStamp {
        self.files.stamp()
    }

    /// Reports whether the list has a file. An empty list has none.
    pub fn exists(&self) -> bool {
        self.files.exist()
    }

    /// Reads the list. Damaged files are quarantined with a warning, and the undamaged entries are written to new
    /// files.
    ///
    /// # Errors
    /// If a file cannot be read at all.
    pub fn load(&self, now: Now) -> Result<LoadedList> {
        self.files.clear_leftovers();
        let RawContents { base, changes, generation, repair, bad_log, stale_log, mut warnings } =
            self.read_files()?;
        let mut entries = base.map_or_else(Vec::new, |base| base.entries);
        file::sort(&mut entries);
        let mut entries = log::apply(entries, changes.into_iter());
        entries.retain(|entry| !entry.is_expired(now));
        if repair || bad_log.is_some() {
            let repaired = self.write_base(generation + 1, &entries).and_then(|()| match bad_log {
                Some(why) => self.files.quarantine(&self.files.log, &why).map(Some),
                None => self.files.remove_log().map(|()| None),
            });
            match repaired {
                Ok(warning) => warnings.extend(warning),
                Err(error) => warnings.push(format!("{error:#}")),
            }
        } else if stale_log {
            self.files.remove_log()?;
        }
        Ok(LoadedList { entries, warnings })
    }

    fn read_files(&self) -> Result<RawContents> {
        let (mut repair, mut warnings) = (false, Vec::new());
        let (base, base_generation) = match self.files.open_base()? {
            None => (None, None),
            Some(input) => match base::decode(input, self.list) {
                Ok(base) => {
                    let generation = base.generation;
                    (Some(base), Some(generation))
                }
                Err(damage) if damage.unreadable => {
                    bail!("read {}: {}", self.files.base.display(), damage.what);
                }
                Err(damage) => {
                    warnings.push(self.files.quarantine(&self.files.base, &damage.what)?);
                    repair = true;
                    (None, damage.generation)
                }
            },
        };
        let bytes = self.files.read_log()?;
        let scan = log::scan(&bytes, self.list);
        let mut raw = RawContents {
            base,
            changes: BTreeMap::new(),
            generation: base_generation.unwrap_or(0),
            repair,
            bad_log: None,
            stale_log: false,
            warnings,
        };
        if scan.damaged {
            raw.bad_log = Some("a batch of changes in it is damaged; those before it were kept".to_owned());
        }
        let Some(generation) = scan.generation else { return Ok(raw) };
        match base_generation {
            Some(base) if generation < base => (raw.bad_log, raw.stale_log) = (None, true),
            Some(base) if generation > base => {
                let why = format!("it belongs to generation {generation} of the list, and {base} is there");
                raw.bad_log = Some(why);
            }
            _ => match log::parse_changes(&bytes[..scan.valid]) {
                Ok(changes) => raw.changes = changes,
                Err(why) => raw.bad_log = Some(why),
            },
        }
        raw.generation = raw.generation.max(generation);
        Ok(raw)
    }

    /// Writes changes durably. They must be sorted by target, and no target may occur twice. If the whole list has to
    /// be written, `whole` provides the entries before the change, sorted by target.
    ///
    /// # Errors
    ///
    /// If the changes cannot be written. Nothing has changed then.
    pub fn change(
        &self,
        changes: &[EntryChange<'_>],
        whole: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<PendingWrite<'_>> {
        if changes.is_empty() {
            return Ok(PendingWrite { store: self, rollback: Rollback::Nothing });
        }
        let start = self.files.read_base_start()?;
        let generation = if start.is_empty() { None } else { base::generation(&start, self.list) };
        let bytes = self.files.read_log()?;
        let mut scan = log::scan(&bytes, self.list);
        let damaged = scan.damaged || (generation.is_none() && !start.is_empty());
        if damaged || scan.generation > generation && generation.is_some() {
            // `whole` reads all files, which repairs them.
            return self.rewrite(changes, whole()?);
        }
        let known = generation.or(scan.generation).unwrap_or(0);
        if scan.generation != Some(known) {
            scan = log::scan(b"", self.list);
        }
        let head = if scan.valid == 0 { log::header(self.list, known) } else { String::new() };
        let mut hasher = crc32fast::Hasher::new_with_initial(scan.sum);
        hasher.update(head.as_bytes());
        // A change that certainly exceeds the maximum length of the log is not formatted first.
        let room = self.log_max.saturating_sub(scan.valid);
        if changes.len() > room / MIN_LINE {
            return self.rewrite(changes, whole()?);
        }
        let text = head + &log::format_batch(hasher.finalize(), changes.iter().copied());
        if text.len() > room {
            return self.rewrite(changes, whole()?);
        }
        let before = self.files.append_log(scan.valid as u64, text.as_bytes())?;
        Ok(PendingWrite { store: self, rollback: Rollback::Log(before) })
    }

    /// Applies the changes to the list and writes the result as a new base file.
    fn rewrite(&self, changes: &[EntryChange<'_>], whole: Vec<Entry>) -> Result<PendingWrite<'_>> {
        let changes = changes.iter().map(|change| match *change {
            EntryChange::Put(entry) => (entry.target, Some(entry.clone())),
            EntryChange::Remove(target) => (target, None),
        });
        self.replace(&log::apply(whole, changes))
    }

    /// Replaces the list durably. The entries must be sorted by target.
    ///
    /// # Errors
    ///
    /// If the list cannot be written. Nothing has changed then.
    pub fn replace(&self, entries: &[Entry]) -> Result<PendingWrite<'_>> {
        self.files.clear_leftovers();
        let start = self.files.read_base_start()?;
        let base = base::generation(&start, self.list).unwrap_or(0);
        let log = log::scan(&self.files.read_log()?, self.list).generation.unwrap_or(0);
        self.files.backup_base()?;
        self.write_base(base.max(log) + 1, entries)?;
        Ok(PendingWrite { store: self, rollback: Rollback::Base { empty: entries.is_empty() } })
    }

    fn write_base(&self, generation: u64, entries: &[Entry]) -> Result<()> {
        self.files.write_base(|out| base::encode(out, self.list, generation, entries.iter()))
    }
}

/// Length of the shortest line of a log, `- ::`, with its line end.
const MIN_LINE: usize = 5;

impl PendingWrite<'_> {
    /// Makes the change final, and removes the files that it superseded.
    pub fn commit(self) {
        if let Rollback::Base { empty } = self.rollback {
            self.store.files.discard_backup(empty);
        }
    }

    /// Restores the files as they were before the change, because a later step of the transaction failed.
    pub fn rollback(self) -> Result<()> {
        let files = &self.store.files;
        let restored: io::Result<()> = match self.rollback {
            Rollback::Nothing => Ok(()),
            Rollback::Log(before) => files.cut_log(before),
            Rollback::Base { .. } => files.restore_base(),
        };
        let name = self.store.list.name();
        restored.with_context(|| {
            let path = files.base.display();
            format!(
                "roll back the change of the {name} in {path}: the change takes effect at the next attach"
            )
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
