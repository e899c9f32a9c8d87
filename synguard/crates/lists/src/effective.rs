//! What is in force and what the files know of it, brought together.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::ListMaps;
use synguard_model::{list_entry::Entry, time::Now};

use crate::{
    check::EntryView,
    store::{LoadedList, Store},
};

/// The entries of a table whose time is not over, sorted by target, with what the files know of them. Those that
/// the files hold are given sorted as well.
///
/// # Errors
/// If the table cannot be read.
pub fn views(maps: &ListMaps<'_>, list: List, stored: Vec<Entry>, now: Now) -> Result<Vec<EntryView>> {
    let mut views = Vec::with_capacity(usize::try_from(maps.size(list)?.entries).unwrap_or(0));
    maps.for_each(list, |key, entry| {
        let view = EntryView::from_abi(key, entry);
        if !view.is_over(now) {
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

/// What the files of a list hold. What is wrong with them is logged; if the list is in force all the same, they are
/// then written anew from that.
///
/// # Errors
/// If a file cannot be read at all, or not be written anew.
pub fn load(store: &Store, list: List, maps: Option<&ListMaps<'_>>, now: Now) -> Result<Vec<Entry>> {
    let LoadedList { entries, warnings } = store.load(now)?;
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let Some(maps) = maps.filter(|_| !warnings.is_empty()) else { return Ok(entries) };
    let entries: Vec<_> = views(maps, list, entries, now)?.iter().map(|view| view.to_entry(now)).collect();
    store.replace(&entries)?.commit();
    log::info!("the {} was written anew as it is in force: {} entries", list.name(), entries.len());
    Ok(entries)
}
