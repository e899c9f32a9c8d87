//! What the lists of a filter begin with when it is attached: what the instance's files hold.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::{Datapath, PrefixEntry};
use synguard_kernel::{clock, instance::Instance, protected};
use synguard_lists::{effective, store::Store};
use synguard_model::{
    error::{ExitKind, failure, one_line},
    list_entry::Entry,
    time::Now,
};

use super::counted;

/// Of how many protected addresses that are blocked it is said which they are.
const NAMED_MAX: usize = 3;

/// The entries of a list for a filter in which it may have so many. The caller holds the lock for changes.
///
/// # Errors
///
/// If there are more. ListFiles that are damaged are no error: they are logged, and the rest is what counts.
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
                "max-list = {capacity}: must be at least {number}, for so many entries are in the {name} in {state}"
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

/// Addresses change: what was harmless to block once may lock somebody out now. It was the operator's wish, so it
/// stays.
fn warn_of_lock_out(entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    let current = protected::current();
    let nets = entries.iter().map(|entry| entry.target.net());
    let mut conflicts = protected::conflicts(nets, &current.set);
    for conflict in conflicts.by_ref().take(NAMED_MAX) {
        log::warn!("the blocklist has an entry that it should not: {conflict}");
    }
    let more = conflicts.count();
    if more > 0 {
        log::warn!("… and {more} more such entries");
    }
}

/// The entries of a list that an instance's files hold; where a filter is there already, and they are damaged, those
/// that are in force. Never fails: what is wrong is logged, and the rest is what counts.
fn stored(instance: &Instance, list: List, now: Now) -> Vec<Entry> {
    let name = list.name();
    let store = Store::new(&instance.state, list);
    let datapath = Datapath::open(&instance.pins).ok().flatten();
    let maps = datapath.as_ref().and_then(|datapath| datapath.lists().ok());
    let error = match effective::load(&store, list, maps.as_ref(), now) {
        Ok(entries) => return entries,
        Err(error) => one_line(&format!("{error:#}")),
    };
    let known = maps.and_then(|maps| effective::views(&maps, list, Vec::new(), now).ok());
    match known {
        Some(views) => {
            log::error!("the {name} stays as it is in force, for its files cannot be used: {error}");
            views.iter().map(|view| view.to_entry(now)).collect()
        }
        None => {
            log::error!("the {name} is empty, for its files cannot be read: {error}");
            Vec::new()
        }
    }
}
