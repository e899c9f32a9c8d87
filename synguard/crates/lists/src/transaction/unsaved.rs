//! Changes that are in force although the files could not be written.
//!
//! The record that a list has such changes is kept in the kernel beside the list's table, and lives as long as the table: it
//! survives the process that made the change, and the controller. Each later transaction tries to write the files anew
//! from the table, and then clears the record. Until then nobody takes the files for the list.

use std::path::Path;

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::Datapath;
use synguard_kernel::{clock, instance::Instance};
use synguard_model::error::one_line;

use super::ListTransaction;
use crate::{effective, store::Store, tables::ListTables};

impl ListTransaction {
    /// Returns the reason for which changes of a list are in force but not in its files; `None` if there are no such changes.
    pub fn unsaved(&self, list: List) -> Option<&str> {
        self.unsaved[list.index()].as_deref()
    }

    /// Records, before a change, that the files will lack it.
    pub(super) fn begin_unsaved(&mut self, list: List, error: &anyhow::Error) -> Result<()> {
        self.tables.set_unsaved(list, true)?;
        self.unsaved[list.index()] = Some(one_line(&format!("{error:#}")));
        Ok(())
    }

    /// Records that the files contain the list.
    pub(super) fn end_unsaved(&mut self, list: List) -> Result<()> {
        self.tables.set_unsaved(list, false)?;
        self.unsaved[list.index()] = None;
        Ok(())
    }

    /// Writes the files of a list anew from its table. If that fails, the list stays unsaved.
    pub(super) fn save(&mut self, list: List) {
        let saved = write_files(&self.state, &*self.tables, list).and_then(|()| self.end_unsaved(list));
        if let Err(error) = saved {
            self.unsaved[list.index()] = Some(one_line(&format!("{error:#}")));
        }
    }

    /// Finishes what earlier transactions could not: replaces the tables by the contents of the files if the last change was
    /// cut short, and writes the files that could not be written, or that somebody removed.
    pub(super) fn repair(&mut self) -> Result<()> {
        let is_unfinished = self.lock.is_unfinished()?;
        let now = clock::now();
        for list in List::ALL {
            let mut is_unsaved = effective::are_files_stale(&*self.tables, &self.store(list), list)?;
            if is_unfinished {
                // The tables are not used to repair damaged files here: they may contain half of a change.
                let stored = if is_unsaved {
                    None
                } else {
                    effective::load(&self.store(list), list, None, now)
                        .inspect_err(|error| {
                            log::warn!("the {} stays as it is in force: {error:#}", list.name());
                        })
                        .ok()
                };
                is_unsaved = stored.is_none();
                // Where the files lack changes, that half is in force, and only the table's own counts may be wrong.
                let entries = match stored {
                    Some(entries) => entries,
                    None => effective::in_force(&*self.tables, list, Vec::new(), now)?,
                };
                self.tables.replace(list, entries.iter().map(|entry| entry.to_abi(now)).collect())?;
            }
            if is_unsaved {
                self.tables.set_unsaved(list, true)?;
                self.save(list);
            }
        }
        if is_unfinished { self.lock.mark_finished() } else { Ok(()) }
    }
}

/// A list whose last changes are lost with the filter, because they could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostChanges {
    pub list: List,
    pub why: String,
}

/// Writes the files that could not be written before, since the tables are about to be removed. The caller holds the lock
/// for changes. Returns the lists that cannot be written now either.
pub fn save_before_removal(instance: &Instance) -> Vec<LostChanges> {
    // A filter that cannot be opened is removed all the same.
    let Ok(Some(datapath)) = Datapath::open(&instance.pins) else { return Vec::new() };
    let Ok(unsaved) = datapath.unsaved_lists() else { return Vec::new() };
    let lists = List::ALL.into_iter().filter(|list| unsaved[list.index()]);
    let lost = |list| {
        let error = write_files(&instance.state, &datapath, list).err()?;
        Some(LostChanges { list, why: one_line(&format!("{error:#}")) })
    };
    lists.filter_map(lost).collect()
}

/// Writes the files of a list anew from its table.
fn write_files(state: &Path, tables: &dyn ListTables, list: List) -> Result<()> {
    let now = clock::now();
    let store = Store::new(state, list);
    // Reasons and dates are only in the files. Without them the entries are written all the same.
    let details = store.load(now).map(|loaded| loaded.entries).unwrap_or_default();
    let entries = effective::in_force(tables, list, details, now)?;
    store.replace(&entries)?.commit();
    Ok(())
}
