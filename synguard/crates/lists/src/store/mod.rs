//! Where the lists are kept while the filter is not attached, and what remembers reasons and dates.
//!
//! Each list has a base file, written whole and renamed into place, and a log of the changes since, to which a
//! change is appended however long the list is. When the log has grown, or a change is large, both become a new
//! base file. A kill or power cut at any moment leaves the state before a change or the one after it.
//!
//! Callers hold [`synguard_kernel::lock::Lock::change`], to read as well: a change replaces one file after another.

mod base;
mod disk;
mod log;

use std::{collections::BTreeMap, io, path::Path};

use anyhow::{Context as _, Result, bail};
use synguard_common::ip_list::List;
use synguard_model::{ip_prefix::Target, list_entry::Entry, time::Now};

use self::disk::ListFiles;
pub use self::{disk::StoreStamp, log::EntryChange};
use crate::format::file;

/// A log that would grow longer is made into a base file. It holds about twenty thousand addresses.
const LOG_MAX: usize = 1024 * 1024;

/// The files of one list.
#[derive(Debug)]
pub struct Store {
    files: ListFiles,
    list: List,
    log_max: usize,
}

/// What the files of a list hold.
#[derive(Debug, Default)]
pub struct LoadedList {
    /// The entries whose time is not over, sorted by target.
    pub entries: Vec<Entry>,
    /// What was wrong with the files, and what has become of them: one line each.
    pub warnings: Vec<String>,
}

/// A change that is on disk, and can still be undone.
#[must_use = "a change is either kept or undone"]
#[derive(Debug)]
pub struct PendingWrite<'a> {
    store: &'a Store,
    undo: Rollback,
}

#[derive(Debug)]
enum Rollback {
    /// Nothing was written.
    Nothing,
    /// The log had this length, or did not exist.
    Log(Option<u64>),
    /// The base file was replaced, and by an empty list.
    Base { empty: bool },
}

/// The files as they are, before time and damage are considered.
struct RawContents {
    base: Option<base::BaseFile>,
    changes: BTreeMap<Target, Option<Entry>>,
    /// The generation of the base file, or of what is left of one.
    generation: u64,
    /// The files do not say what they should: a new base file has to be written.
    repair: bool,
    /// The log is to be set aside, because of this.
    bad_log: Option<String>,
    /// The log belongs to a base file that has been replaced since.
    stale_log: bool,
    warnings: Vec<String>,
}

impl Store {
    /// The files of a list in an instance's state folder. Nothing is opened yet.
    pub fn new(folder: &Path, list: List) -> Self {
        Self { files: ListFiles::new(folder, list), list, log_max: LOG_MAX }
    }

    /// What tells whether the files have changed.
    pub fn stamp(&self) -> StoreStamp {
        self.files.stamp()
    }

    /// Reads the list. What is damaged is set aside, with a warning, and the rest is what counts from then on.
    ///
    /// # Errors
    /// If a file cannot be read at all.
    pub fn load(&self, now: Now) -> Result<LoadedList> {
        self.files.clear_leftovers();
        let RawContents { base, changes, generation, repair, bad_log, stale_log, mut warnings } =
            self.read()?;
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

    fn read(&self) -> Result<RawContents> {
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
            _ => match log::read(&bytes[..scan.valid]) {
                Ok(changes) => raw.changes = changes,
                Err(why) => raw.bad_log = Some(why),
            },
        }
        raw.generation = raw.generation.max(generation);
        Ok(raw)
    }

    /// Writes changes, sorted and each of another target, and does not return before they are safe on the disk.
    /// Should all of the list have to be written for that, `whole` is asked what it was before, sorted by target.
    ///
    /// # Errors
    /// If they cannot be written; then nothing has changed.
    pub fn change(
        &self,
        changes: &[EntryChange<'_>],
        whole: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<PendingWrite<'_>> {
        if changes.is_empty() {
            return Ok(PendingWrite { store: self, undo: Rollback::Nothing });
        }
        let start = self.files.read_base_start()?;
        let generation = if start.is_empty() { None } else { base::generation(&start, self.list) };
        let bytes = self.files.read_log()?;
        let mut scan = log::scan(&bytes, self.list);
        let damaged = scan.damaged || (generation.is_none() && !start.is_empty());
        if damaged || scan.generation > generation && generation.is_some() {
            // Reading them all repairs them.
            return self.rewrite(changes, whole()?);
        }
        let known = generation.or(scan.generation).unwrap_or(0);
        if scan.generation != Some(known) {
            scan = log::scan(b"", self.list);
        }
        let head = if scan.valid == 0 { log::header(self.list, known) } else { String::new() };
        let mut hasher = crc32fast::Hasher::new_with_initial(scan.sum);
        hasher.update(head.as_bytes());
        // Longer than that it will not be in the log, and need not be put into words.
        let room = self.log_max.saturating_sub(scan.valid);
        if changes.len() > room / MIN_LINE {
            return self.rewrite(changes, whole()?);
        }
        let text = head + &log::batch(hasher.finalize(), changes.iter().copied());
        if text.len() > room {
            return self.rewrite(changes, whole()?);
        }
        let before = self.files.append_log(scan.valid as u64, text.as_bytes())?;
        Ok(PendingWrite { store: self, undo: Rollback::Log(before) })
    }

    /// Makes a new base file of the list and the changes.
    fn rewrite(&self, changes: &[EntryChange<'_>], whole: Vec<Entry>) -> Result<PendingWrite<'_>> {
        let changes = changes.iter().map(|change| match *change {
            EntryChange::Put(entry) => (entry.target, Some(entry.clone())),
            EntryChange::Remove(target) => (target, None),
        });
        self.replace(&log::apply(whole, changes))
    }

    /// Writes a list in place of the one that is there, and does not return before it is safe on the disk. The
    /// entries must be sorted by target.
    ///
    /// # Errors
    /// If it cannot be written; then nothing has changed.
    pub fn replace(&self, entries: &[Entry]) -> Result<PendingWrite<'_>> {
        self.files.clear_leftovers();
        let start = self.files.read_base_start()?;
        let base = base::generation(&start, self.list).unwrap_or(0);
        let log = log::scan(&self.files.read_log()?, self.list).generation.unwrap_or(0);
        self.files.backup_base()?;
        self.write_base(base.max(log) + 1, entries)?;
        Ok(PendingWrite { store: self, undo: Rollback::Base { empty: entries.is_empty() } })
    }

    fn write_base(&self, generation: u64, entries: &[Entry]) -> Result<()> {
        self.files.write_base(|out| base::encode(out, self.list, generation, entries.iter()))
    }
}

/// The shortest line of a log, with its end: `- ::`.
const MIN_LINE: usize = 5;

impl PendingWrite<'_> {
    /// Keeps the change. What it made useless is removed.
    pub fn commit(self) {
        if let Rollback::Base { empty } = self.undo {
            self.store.files.discard_backup(empty);
        }
    }

    /// Undoes the change, because what should follow it did not come about.
    ///
    /// # Errors
    /// If the files cannot be put back.
    pub fn rollback(self) -> Result<()> {
        let files = &self.store.files;
        let undone: io::Result<()> = match self.undo {
            Rollback::Nothing => Ok(()),
            Rollback::Log(before) => files.cut_log(before),
            Rollback::Base { .. } => files.restore_base(),
        };
        let name = self.store.list.name();
        undone.with_context(|| {
            let path = files.base.display();
            format!(
                "undo the change of the {name} in {path}: what was to be changed is in it at the next attach"
            )
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
