//! What the lists of a filter begin with when it is attached: what the instance's files hold.

use anyhow::Result;

use super::counted;
use crate::{
    clock,
    datapath::Item,
    error::{Kind, failure},
    instance::Instance,
    lists::{Entry, List, live},
    protected,
};

/// Of how many protected addresses that are blocked it is said which they are.
const NAMED_MAX: usize = 3;

/// The entries of a list for a filter in which it may have so many. The caller holds the lock for changes.
///
/// # Errors
///
/// If there are more. Files that are damaged are no error: they are logged, and the rest is what counts.
pub(in crate::commands) fn restore(instance: &Instance, list: List, capacity: u32) -> Result<Vec<Item>> {
    let now = clock::now();
    let entries = live::restore(instance, list, now);
    let name = list.name();
    if entries.len() as u64 > u64::from(capacity) {
        let number = entries.len();
        let state = instance.state.display();
        return Err(failure(
            Kind::Invalid,
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
