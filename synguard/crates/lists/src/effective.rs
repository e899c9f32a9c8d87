//! The effective lists: entries of the tables, joined with the details in the files.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::ListMaps;
use synguard_model::{list_entry::Entry, time::Now};

use crate::{
    check::EntryView,
    store::{LoadedList, Store},
};

/// Returns the unexpired entries of a table, sorted by target, with the details of the `stored` entries, which must be
/// sorted as well.
pub fn views(maps: &ListMaps<'_>, list: List, stored: Vec<Entry>, now: Now) -> Result<Vec<EntryView>> {
    let mut views = Vec::with_capacity(usize::try_from(maps.size(list)?.entries).unwrap_or(0));
    maps.for_each(list, |key, entry| {
        let view = EntryView::from_abi(key, entry);
        if !view.is_expired(now) {
            views.push(view);
        }
    })?;
    views.sort_unstable_by_key(|view| view.target);
    let mut stored = stored.into_iter().peekable();
    for view in &mut views {
        while stored.next_if(|entry| entry.target < view.target).is_some() {}
        if let Some(entry) = stored.next_if(|entry| entry.target == view.target) {
            view.add_details(&entry);
        }
    }
    Ok(views)
}

/// Loads the entries in the files of a list. Damage is logged. If `maps` are given, damaged files are then rewritten
/// from the entries in force.
///
/// # Errors
///
/// If a file cannot be read at all, or cannot be rewritten.
pub fn load(store: &Store, list: List, maps: Option<&ListMaps<'_>>, now: Now) -> Result<Vec<Entry>> {
    let LoadedList { entries, warnings } = store.load(now)?;
    for warning in &warnings {
        log::warn!("{warning}");
    }
    let Some(maps) = maps.filter(|_| !warnings.is_empty()) else { return Ok(entries) };
    let entries: Vec<_> = views(maps, list, entries, now)?.iter().map(|view| view.to_entry(now)).collect();
    store.replace(&entries)?.commit();
    log::info!("the {} was rewritten from the {} entries in force", list.name(), entries.len());
    Ok(entries)
}
