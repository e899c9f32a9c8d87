//! The effective lists: entries of the tables, joined with the details in the files.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_model::{list_entry::Entry, time::Now};

use crate::{
    check::EntryView,
    store::{LoadedList, Store},
    tables::ListTables,
};

/// Returns the unexpired entries of a table, sorted by target, with the details of the `stored` entries, which must be
/// sorted as well.
pub fn views(tables: &dyn ListTables, list: List, stored: Vec<Entry>, now: Now) -> Result<Vec<EntryView>> {
    let mut views = Vec::with_capacity(usize::try_from(tables.size(list)?.entries).unwrap_or(0));
    tables.for_each(list, &mut |key, entry| {
        let view = EntryView::from_abi(key, entry);
        if !view.is_expired(now) {
            views.push(view);
        }
    })?;
    views.sort_unstable_by_key(|view| view.target);
    let is_stale = tables.is_unsaved(list)?;
    let mut stored = stored.into_iter().peekable();
    for view in &mut views {
        while stored.next_if(|entry| entry.target < view.target).is_some() {}
        if let Some(entry) = stored.next_if(|entry| entry.target == view.target) {
            view.add_details(&entry, is_stale, now);
        }
    }
    Ok(views)
}

/// Loads the entries in the files of a list. Damage is logged. If `tables` are given, damaged files are then rewritten
/// from the entries in force.
///
/// # Errors
///
/// If a file cannot be read at all, or cannot be rewritten.
pub fn load(store: &Store, list: List, tables: Option<&dyn ListTables>, now: Now) -> Result<Vec<Entry>> {
    let LoadedList { entries, warnings } = store.load(now)?;
    for warning in &warnings {
        log::warn!("{warning}");
    }
    let Some(tables) = tables.filter(|_| !warnings.is_empty()) else { return Ok(entries) };
    let entries = in_force(tables, list, entries, now)?;
    store.replace(&entries)?.commit();
    log::info!("the {} was rewritten from the {} entries in force", list.name(), entries.len());
    Ok(entries)
}

/// Returns the entries in force in the form of the files, sorted by target, with the details of the `stored` entries.
pub fn in_force(tables: &dyn ListTables, list: List, stored: Vec<Entry>, now: Now) -> Result<Vec<Entry>> {
    Ok(views(tables, list, stored, now)?.iter().map(|view| view.to_entry(now)).collect())
}

/// Reports whether the files of a list lack entries that are in force: changes that could not be written, or all of them
/// because somebody removed the files. The tables are then the truth.
pub fn are_files_stale(tables: &dyn ListTables, store: &Store, list: List) -> Result<bool> {
    Ok(tables.is_unsaved(list)? || tables.size(list)?.entries > 0 && !store.exists())
}
