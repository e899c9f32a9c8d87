//! Consequences of a change that may be unexpected. They go to standard error, one line each.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use anyhow::Result;
use ipnet::IpNet;
use log::Level;
use synguard_common::ip_list::List;
use synguard_datapath::ListSize;
use synguard_kernel::{clock, instance::Instance, lock};
use synguard_lists::{check::EntryView, transaction::ListTransaction};
use synguard_model::{
    error::one_line,
    ip_prefix::{ParsedTarget, Target},
    list_entry::Entry,
    time::{self, Now},
};

use super::{counted, past_participle};
use crate::controller::next_save_text;

/// Fill level of a list from which on the outcome warns.
const FILLING_PERCENT: u64 = 90;
/// Number of prefixes up to which a warning names those that switch the filter off.
const NAMED_MAX: usize = 3;
/// Number of prefixes up to which a note names what an import leaves out.
const LEFT_OUT_MAX: usize = 8;

/// A consequence and its weight.
pub(in crate::commands) type Note = (Level, String);

/// Prints notes.
pub(super) fn print(notes: impl IntoIterator<Item = Note>) {
    let mut out = io::stderr().lock();
    for (level, note) in notes {
        let word = if level == Level::Warn { "warning" } else { "note" };
        // Nobody can be told that standard error is closed.
        let _ = writeln!(out, "{word}: {}", one_line(&note));
    }
}

/// Returns a note about when a change takes effect, or about how long it lasts, if that is not as usual.
pub(super) fn on_effect(instance: &Instance, lists: &ListTransaction, list: List) -> Option<Note> {
    if !lists.is_attached() {
        return Some((Level::Info, "not attached: takes effect at the next attach".to_owned()));
    }
    let why = lists.unsaved(list)?;
    let next = next_save_text(lock::controller_pid(instance).is_some());
    Some((Level::Warn, format!("in force, but not saved: {why}; {next}")))
}

/// Returns notes about targets whose host bits were cleared.
pub(super) fn on_masked(targets: &[ParsedTarget]) -> Vec<Note> {
    let masked = targets.iter().filter(|written| written.masked);
    masked
        .map(|target| (Level::Info, format!("host bits were cleared: the entry is {}", target.target)))
        .collect()
}

/// Returns a note about the entry that a new one replaces.
pub(super) fn on_replaced(view: &EntryView, now: Now) -> Note {
    let time = match view.time_left(now) {
        Some(left) => format!("had {} left", time::format_left(left)),
        None => "never expired".to_owned(),
    };
    (Level::Info, format!("replaces the entry of {} that {time} ({})", view.target, view.describe_timeless()))
}

/// Returns the note about a target that is not in a list. It names the entry that covers the target, if any.
pub(super) fn on_missing(lists: &ListTransaction, list: List, target: Target, now: Now) -> Result<Note> {
    let name = list.name();
    let hint = match lists.covering(list, target, now)?.first() {
        Some(view) => format!("{} in it covers {target}: name that", view.target),
        None => format!("`synguard {} list` shows what is", list.verb()),
    };
    Ok((Level::Info, format!("{target} is not in the {name}; {hint}")))
}

/// Returns the note that names the parts of an imported list that must not be blocked.
pub(super) fn on_left_out(left_out: &BTreeMap<IpNet, String>) -> Option<Note> {
    let named: Vec<_> =
        left_out.iter().take(LEFT_OUT_MAX).map(|(net, what)| format!("{net} ({what})")).collect();
    let more = match left_out.len().saturating_sub(LEFT_OUT_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let note = || format!("not blocked, although the list has them: {}{more}", named.join(", "));
    (!named.is_empty()).then(|| (Level::Info, note()))
}

/// Returns a warning if a list is nearly full.
pub(super) fn on_fill_level(lists: &ListTransaction, list: List) -> Result<Option<Note>> {
    let ListSize { entries, capacity } = lists.size(list)?;
    let name = list.name();
    let note = || {
        format!(
            "the {name} has {entries} of {capacity} entries, and takes no more when it is full: \
             attach with a larger --max-list in time"
        )
    };
    Ok((entries * 100 >= capacity * FILLING_PERCENT).then(|| (Level::Warn, note())))
}

/// Returns notes about other entries that cover a target and may have unexpected effects.
pub(super) fn on_others(lists: &ListTransaction, list: List, target: Target) -> Result<Vec<Note>> {
    let now = clock::now();
    let mut notes = Vec::new();
    if list == List::Block
        && let Some(view) = lists.covering(List::Allow, target, now)?.first()
    {
        let note = format!("{target} stays allowed: {} is in the allowlist, which wins", view.target);
        notes.push((Level::Warn, note));
    }
    if let Some(view) = lists.covering(list, target, now)?.get(1) {
        let note =
            format!("{target} is also covered by {}, which is in the {} already", view.target, list.name());
        notes.push((Level::Info, note));
    }
    Ok(notes)
}

/// Returns a note about a target that stays in the list by a wider entry after its own was removed.
pub(super) fn on_still_covered(
    lists: &ListTransaction,
    list: List,
    target: Target,
    now: Now,
) -> Result<Option<Note>> {
    let view = lists.covering(list, target, now)?.into_iter().next();
    Ok(view.map(|view| {
        let note = format!("{target} is still {}, because {} covers it", past_participle(list), view.target);
        (Level::Warn, note)
    }))
}

/// Returns warnings about new entries of the allowlist that switch the filter off for a large part of the Internet.
pub(super) fn on_allowed_share(list: List, entries: &[Entry]) -> Vec<Note> {
    if list != List::Allow {
        return Vec::new();
    }
    let mut wide = entries.iter().filter_map(|entry| switched_off(entry.target));
    let mut notes: Vec<_> = wide.by_ref().take(NAMED_MAX).map(|note| (Level::Warn, note)).collect();
    let more = wide.count();
    if more > 0 {
        let entries = counted(more as u64, "more such entry", "more such entries");
        notes.push((Level::Warn, format!("… and {entries}")));
    }
    notes
}

/// Returns the consequence of an allowlist entry that covers 1/128 of a family's addresses or more.
fn switched_off(target: Target) -> Option<String> {
    let (family, length) = within_family(target);
    match length {
        0 => Some(format!(
            "{target} allows every {family} address: the filter drops no SYN from {family} and blocks nobody there"
        )),
        1..8 => Some(format!(
            "{target} allows 1/{} of all {family} addresses: the filter drops nothing from there",
            1u32 << length
        )),
        _ => None,
    }
}

/// Returns the family of which a target is every address.
pub(super) fn whole_family(target: Target) -> Option<&'static str> {
    let (family, length) = within_family(target);
    (length == 0).then_some(family)
}

/// Returns the family of a target, and the length of its prefix beyond that of the family.
fn within_family(target: Target) -> (&'static str, u8) {
    let length = target.net().prefix_len();
    // 2000::/3 is all of the Internet's IPv6 addresses so far.
    if target.net().addr().is_ipv4() { ("IPv4", length) } else { ("IPv6", length.saturating_sub(3)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_switch_the_filter_off_are_found() {
        for (target, words) in [
            ("0.0.0.0/0", Some("every IPv4 address")),
            ("::/0", Some("every IPv6 address")),
            ("2000::/3", Some("every IPv6 address")),
            ("128.0.0.0/1", Some("1/2 of all IPv4 addresses")),
            ("64.0.0.0/7", Some("1/128 of all IPv4 addresses")),
            ("10.0.0.0/8", None),
            ("2001::/16", None),
            ("192.0.2.1", None),
        ] {
            let found = switched_off(target.parse().expect("a target"));
            assert_eq!(found.is_some(), words.is_some(), "{target}: {found:?}");
            assert!(words.is_none_or(|words| found.is_some_and(|text| text.contains(words))), "{target}");
        }
    }
}
