//! Entries added and taken out, for the command line and for `top`: what is done, and what is to be said of it.

use anyhow::Result;
use log::Level;
use synguard_common::ip_list::List;
use synguard_datapath::ListSize;
use synguard_kernel::{clock, instance::Instance};
use synguard_lists::{check::EntryView, transaction::ListTransaction};
use synguard_model::{
    duration,
    error::{ExitKind, failure},
    ip_prefix::{ParsedTarget, Target},
    list_entry::{Entry, Origin},
    time::Now,
};

use super::{named, refusal};
use crate::cli::EntryArgs;

/// Up to how many targets it is looked at each: what else is in the lists about it, and what there was before.
const NOTES_MAX: usize = 8;
/// From how full on a list is said to be filling.
const FILLING_PERCENT: u64 = 90;

/// A change that was made.
pub(in crate::commands) struct Done {
    /// What was done, in one line.
    pub(in crate::commands) said: String,
    /// What somebody might not expect.
    pub(in crate::commands) notes: Vec<(Level, String)>,
    /// The entries that the targets had before, unless there are many.
    pub(in crate::commands) before: Vec<Entry>,
}

/// Adds targets to a list.
///
/// # Errors
///
/// Not attached, a target that must not be blocked, or no room; then nothing has changed.
pub(in crate::commands) fn add(
    instance: &Instance,
    list: List,
    targets: &[ParsedTarget],
    args: &EntryArgs,
) -> Result<Done> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let refuse = refusal(list, args.force);
    for written in targets {
        if let Some(why) = refuse(written.target) {
            return Err(failure(
                ExitKind::Invalid,
                format!(
                    "{why}: nothing was changed; `synguard block add {} --force` blocks it anyway",
                    written.target
                ),
            ));
        }
    }
    let entry = |written: &ParsedTarget| Entry {
        target: written.target,
        scope: args.scope,
        origin: Origin::Operator,
        reason: args.reason.clone(),
        created_ms: now.wall_ms,
        expires_ms: args.ttl.map(|ttl| now.expiry_after(ttl)),
    };
    let before = before(&lists, list, targets, now)?;
    lists.add(list, targets.iter().map(entry).collect(), now)?;
    let mut notes = masked(targets);
    notes.extend(before.iter().map(|view| {
        let (target, name, words) = (view.target, list.name(), view.describe(now));
        (Level::Info, format!("{target} was in the {name} already ({words}): this takes its place"))
    }));
    if targets.len() <= NOTES_MAX {
        for written in targets {
            notes.extend(others(&lists, list, written.target)?);
        }
    }
    notes.extend(filling(&lists, list)?);
    let length = args.ttl.map_or_else(String::new, |ttl| format!(" for {}", duration::format(ttl)));
    let said = format!("{} {}{length}", done(list), named(targets));
    Ok(Done { said, notes, before: entries(&before, now) })
}

/// Takes targets out of a list.
///
/// # Errors
///
/// Not attached, or a target that is not there; then nothing has changed.
pub(in crate::commands) fn del(instance: &Instance, list: List, targets: &[ParsedTarget]) -> Result<Done> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let plain: Vec<Target> = targets.iter().map(|written| written.target).collect();
    let before = before(&lists, list, targets, now)?;
    lists.remove(list, &plain, now)?;
    let mut notes = masked(targets);
    for &target in plain.iter().take(NOTES_MAX) {
        if let Some(view) = lists.covering(list, target, now)?.first() {
            let note = format!("{target} is still {}, for it is in {}", done(list), view.target);
            notes.push((Level::Warn, note));
        }
    }
    let said = format!("{} taken out of the {}", named(targets), list.name());
    Ok(Done { said, notes, before: entries(&before, now) })
}

/// Puts an entry back as it was, or in the place of the one that is there now.
///
/// # Errors
///
/// Not attached, or its time is over; then nothing has changed.
pub(in crate::commands) fn put_back(instance: &Instance, list: List, entry: &Entry) -> Result<Done> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let (target, name) = (entry.target, list.name());
    if entry.is_expired(now) {
        let message = format!("the time that {target} had in the {name} is over: nothing was changed");
        return Err(failure(ExitKind::Invalid, message));
    }
    let before = before(&lists, list, &[ParsedTarget { target, masked: false }], now)?;
    lists.add(list, vec![entry.clone()], now)?;
    let notes = others(&lists, list, target)?;
    Ok(Done { said: format!("{target} put back into the {name}"), notes, before: entries(&before, now) })
}

/// The entries that targets have now.
fn before(lists: &ListTransaction, list: List, targets: &[ParsedTarget], now: Now) -> Result<Vec<EntryView>> {
    if targets.len() > NOTES_MAX {
        return Ok(Vec::new());
    }
    let found: Result<Vec<_>> =
        targets.iter().map(|written| lists.detailed_entry(list, written.target, now)).collect();
    Ok(found?.into_iter().flatten().collect())
}

fn entries(views: &[EntryView], now: Now) -> Vec<Entry> {
    views.iter().map(|view| view.to_entry(now)).collect()
}

/// What was made of targets with host bits.
fn masked(targets: &[ParsedTarget]) -> Vec<(Level, String)> {
    let masked = targets.iter().filter(|written| written.masked);
    masked
        .map(|one| (Level::Info, format!("host bits were cleared: {} is what counts", one.target)))
        .collect()
}

/// Whether there will soon be no room in a list.
pub(super) fn filling(lists: &ListTransaction, list: List) -> Result<Option<(Level, String)>> {
    let ListSize { entries, capacity } = lists.size(list)?;
    let name = list.name();
    let note = || {
        format!(
            "the {name} has {entries} of {capacity} entries: when it is full no more are taken; \
             attach with a larger --max-list in time"
        )
    };
    Ok((entries * 100 >= capacity * FILLING_PERCENT).then(|| (Level::Warn, note())))
}

/// What has become of a target in a list.
const fn done(list: List) -> &'static str {
    match list {
        List::Allow => "allowed",
        List::Block => "blocked",
    }
}

/// What else the lists have about a target, where that may surprise.
fn others(lists: &ListTransaction, list: List, target: Target) -> Result<Vec<(Level, String)>> {
    let now = clock::now();
    let mut notes = Vec::new();
    if list == List::Block
        && let Some(view) = lists.covering(List::Allow, target, now)?.first()
    {
        let note = format!("{target} stays allowed: {} is in the allowlist, which wins", view.target);
        notes.push((Level::Warn, note));
    }
    if let Some(view) = lists.covering(list, target, now)?.get(1) {
        let note = format!("{target} is in {} as well, which is in the {} already", view.target, list.name());
        notes.push((Level::Info, note));
    }
    Ok(notes)
}
