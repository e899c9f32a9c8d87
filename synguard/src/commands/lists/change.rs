//! Adds and removes entries for the command line and for `top`, and reports the outcome.

use anyhow::Result;
use log::Level;
use synguard_common::ip_list::List;
use synguard_datapath::ListSize;
use synguard_kernel::{clock, instance::Instance};
use synguard_lists::{check::EntryView, transaction::ListTransaction};
use synguard_model::{
    duration,
    error::{ExitKind, failure},
    event::ListVerb,
    ip_prefix::{ParsedTarget, Target},
    list_entry::{Entry, Origin},
    time::Now,
};

use super::{audit::ListAudit, name_targets, refusal};
use crate::cli::EntryArgs;

/// Number of targets up to which the outcome has notes about each: former entries, and other entries that cover it.
const NOTES_MAX: usize = 8;
/// Fill level of a list from which on the outcome warns.
const FILLING_PERCENT: u64 = 90;

/// Outcome of a change.
pub(in crate::commands) struct ChangeOutcome {
    /// The change in one line.
    pub(in crate::commands) message: String,
    /// Consequences that may be unexpected.
    pub(in crate::commands) notes: Vec<(Level, String)>,
    /// Former entries of the targets; empty if there are more than [`NOTES_MAX`] targets.
    pub(in crate::commands) before: Vec<Entry>,
}

/// Adds targets to a list.
///
/// # Errors
///
/// If the filter is not attached, a target must not be blocked, or the list has no room. Nothing has changed then.
pub(in crate::commands) fn add(
    instance: &Instance,
    list: List,
    targets: &[ParsedTarget],
    args: &EntryArgs,
) -> Result<ChangeOutcome> {
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
    let before = present_entries(&lists, list, targets, now)?;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Add);
    lists.add(list, targets.iter().map(entry).collect(), now)?;
    audit.targets(targets.iter().map(|written| written.target)).entries(args).record(&lists, list);
    let mut notes = notes_on_masked(targets);
    notes.extend(before.iter().map(|view| {
        let (target, name, words) = (view.target, list.name(), view.describe(now));
        (Level::Info, format!("{target} was in the {name} already ({words}): this entry replaces it"))
    }));
    if targets.len() <= NOTES_MAX {
        for written in targets {
            notes.extend(notes_on_others(&lists, list, written.target)?);
        }
    }
    notes.extend(note_on_fill_level(&lists, list)?);
    let length = args.ttl.map_or_else(String::new, |ttl| format!(" for {}", duration::format(ttl)));
    let message = format!("{} {}{length}", past_participle(list), name_targets(targets));
    Ok(ChangeOutcome { message, notes, before: entries(&before, now) })
}

/// Removes targets from a list.
///
/// # Errors
///
/// If the filter is not attached, or a target is not in the list. Nothing has changed then.
pub(in crate::commands) fn delete(
    instance: &Instance,
    list: List,
    targets: &[ParsedTarget],
) -> Result<ChangeOutcome> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let plain: Vec<Target> = targets.iter().map(|written| written.target).collect();
    let before = present_entries(&lists, list, targets, now)?;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Del);
    lists.remove(list, &plain, now)?;
    audit.targets(plain.iter()).record(&lists, list);
    let mut notes = notes_on_masked(targets);
    for &target in plain.iter().take(NOTES_MAX) {
        if let Some(view) = lists.covering(list, target, now)?.first() {
            let note =
                format!("{target} is still {}, because {} covers it", past_participle(list), view.target);
            notes.push((Level::Warn, note));
        }
    }
    let message = format!("{} removed from the {}", name_targets(targets), list.name());
    Ok(ChangeOutcome { message, notes, before: entries(&before, now) })
}

/// Restores a former entry, replacing the present one, if any.
///
/// # Errors
///
/// If the filter is not attached, or the entry has expired. Nothing has changed then.
pub(in crate::commands) fn put_back(instance: &Instance, list: List, entry: &Entry) -> Result<ChangeOutcome> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let (target, name) = (entry.target, list.name());
    if entry.is_expired(now) {
        let message = format!("the former entry of {target} in the {name} has expired: nothing was changed");
        return Err(failure(ExitKind::Invalid, message));
    }
    let before = present_entries(&lists, list, &[ParsedTarget { target, masked: false }], now)?;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Restore);
    lists.add(list, vec![entry.clone()], now)?;
    audit.targets(std::iter::once(target)).record(&lists, list);
    let notes = notes_on_others(&lists, list, target)?;
    Ok(ChangeOutcome {
        message: format!("{target} restored in the {name}"),
        notes,
        before: entries(&before, now),
    })
}

/// Returns the present entries of targets; none if there are more than [`NOTES_MAX`] targets.
fn present_entries(
    lists: &ListTransaction,
    list: List,
    targets: &[ParsedTarget],
    now: Now,
) -> Result<Vec<EntryView>> {
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

/// Returns notes about targets whose host bits were cleared.
fn notes_on_masked(targets: &[ParsedTarget]) -> Vec<(Level, String)> {
    let masked = targets.iter().filter(|written| written.masked);
    masked
        .map(|target| (Level::Info, format!("host bits were cleared: the entry is {}", target.target)))
        .collect()
}

/// Returns a warning if a list is nearly full.
pub(super) fn note_on_fill_level(lists: &ListTransaction, list: List) -> Result<Option<(Level, String)>> {
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

/// Returns the word for the state of a target in a list.
const fn past_participle(list: List) -> &'static str {
    match list {
        List::Allow => "allowed",
        List::Block => "blocked",
    }
}

/// Returns notes about other entries that cover a target and may have unexpected effects.
fn notes_on_others(lists: &ListTransaction, list: List, target: Target) -> Result<Vec<(Level, String)>> {
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
