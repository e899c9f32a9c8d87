//! Restores the lists from an instance's files when the filter is attached.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::{Datapath, PrefixEntry};
use synguard_kernel::{clock, instance::Instance, protected};
use synguard_lists::{effective, store::Store, tables::ListTables};
use synguard_model::{
    error::{ExitKind, failure, one_line},
    list_entry::Entry,
    time::Now,
};

use super::counted;

/// Number of blocked protected addresses that the log names; the others are counted.
const NAMED_MAX: usize = 3;

/// Returns the entries of a list that may have at most `capacity` entries. The caller holds the lock for changes.
///
/// # Errors
///
/// If there are more entries. Damaged files are no error: the damage is logged, and the intact entries are returned.
pub(in crate::commands) fn restore(
    instance: &Instance,
    list: List,
    capacity: u32,
) -> Result<Vec<PrefixEntry>> {
    let now = clock::now();
    let entries = stored(instance, list, now);
    let name = list.name();
    if entries.len() as u64 > u64::from(capacity) {
        let number = entries.len();
        let state = instance.state.display();
        return Err(failure(
            ExitKind::Invalid,
            format!(
                "max-list = {capacity}: must be at least {number}, the number of entries of the {name} in {state}"
            ),
        ));
    }
    if !entries.is_empty() {
        log::info!("{name}: {} restored", counted(entries.len() as u64, "entry", "entries"));
    }
    if list == List::Block {
        warn_of_lock_out(&entries);
    }
    Ok(entries.iter().map(|entry| entry.to_abi(now)).collect())
}

/// Warns of blocked addresses that should not be blocked. Addresses change, so an entry that was harmless once may lock
/// users out now. The operator added it, so it stays.
fn warn_of_lock_out(entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    let current = protected::current();
    let nets = entries.iter().map(|entry| entry.target.net());
    let mut conflicts = protected::conflicts(nets, &current.set);
    for conflict in conflicts.by_ref().take(NAMED_MAX) {
        log::warn!("the blocklist has an entry that may lock you out: {conflict}");
    }
    let more = conflicts.count();
    if more > 0 {
        log::warn!("… and {more} more such entries");
    }
}

/// Returns the entries in an instance's files or, if these cannot be used or lack changes and a filter is attached, the
/// entries in force. Never fails: problems are logged, and the intact entries are returned.
fn stored(instance: &Instance, list: List, now: Now) -> Vec<Entry> {
    let name = list.name();
    let store = Store::new(&instance.state, list);
    let datapath = Datapath::open(&instance.pins).ok().flatten();
    let tables: Option<&dyn ListTables> = match &datapath {
        Some(datapath) => Some(datapath),
        None => None,
    };
    if let Some(datapath) = &datapath
        && let Some(entries) = unsaved(datapath, &store, list, now)
    {
        return entries;
    }
    let error = match effective::load(&store, list, tables, now) {
        Ok(entries) => return entries,
        Err(error) => one_line(&format!("{error:#}")),
    };
    match tables.and_then(|tables| effective::in_force(tables, list, Vec::new(), now).ok()) {
        Some(entries) => {
            log::error!("the {name} stays as it is in force, because its files cannot be used: {error}");
            entries
        }
        None => {
            log::error!("the {name} is empty, because its files cannot be read: {error}");
            Vec::new()
        }
    }
}

/// Returns the entries in force if the files lack some of them, and records that they do.
fn unsaved(datapath: &Datapath, store: &Store, list: List, now: Now) -> Option<Vec<Entry>> {
    if !effective::are_files_stale(datapath, store, list).ok()? {
        return None;
    }
    // Reasons and dates are only in the files.
    let details = store.load(now).map(|loaded| loaded.entries).unwrap_or_default();
    let entries = effective::in_force(datapath, list, details, now).ok()?;
    let name = list.name();
    match datapath.lists().and_then(|mut maps| maps.set_unsaved(list, true)) {
        Ok(()) => log::warn!("the {name} stays as it is in force, because its files lack changes"),
        Err(error) => log::error!("the {name} is in force, but not in its files: {error:#}"),
    }
    Some(entries)
}
