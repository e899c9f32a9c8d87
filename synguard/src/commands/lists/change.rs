//! Adds and removes entries for the command line and for `top`, and reports the outcome.

use std::collections::HashSet;

use anyhow::{Result, bail};
use log::Level;
use synguard_common::ip_list::List;
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

use super::{
    audit::ListAudit,
    name_targets,
    notes::{self, Note},
    past_participle, refusal,
};
use crate::{
    cli::EntryArgs,
    output::{ListChangeJson, TargetChange},
};

/// Number of targets up to which the outcome has notes about each: former entries, and other entries that cover it.
const NOTES_MAX: usize = 8;

/// Outcome of a change.
pub(in crate::commands) struct ChangeOutcome {
    /// The change in one line.
    pub(in crate::commands) message: String,
    /// Consequences that may be unexpected.
    pub(in crate::commands) notes: Vec<Note>,
    /// The change for programs.
    pub(in crate::commands) change: ListChangeJson,
    /// Former entries of the targets; empty if there are more than [`NOTES_MAX`] targets.
    pub(in crate::commands) before: Vec<Entry>,
}

/// Adds targets to a list.
///
/// # Errors
///
/// If a target must not be blocked, or the list has no room. Nothing has changed then.
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
                    "{why}: nothing was changed; `synguard {verb} add {} --force` {verb}s it anyway",
                    written.target,
                    verb = list.verb(),
                ),
            ));
        }
    }
    let reason = args.reason();
    let entry = |written: &ParsedTarget| Entry {
        target: written.target,
        scope: args.scope,
        origin: Origin::Operator,
        reason: reason.clone(),
        created_ms: now.wall_ms,
        expires_ms: args.ttl.0.map(|ttl| now.expiry_after(ttl)),
    };
    let before = present_entries(&lists, list, targets, now)?;
    let new: Vec<_> = targets.iter().map(entry).collect();
    let mut notes = notes::on_masked(targets);
    notes.extend(notes::on_allowed_share(list, &new));
    let changes = added_or_replaced(&lists, list, targets, now)?;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Add);
    lists.add(list, new, now)?;
    audit.targets(targets.iter().map(|written| written.target)).entries(args).record(&lists, list);
    notes.extend(before.iter().map(|view| notes::on_replaced(view, now)));
    if targets.len() <= NOTES_MAX {
        for written in targets {
            notes.extend(notes::on_others(&lists, list, written.target)?);
        }
    }
    notes.extend(notes::on_fill_level(&lists, list)?);
    notes.extend(notes::on_effect(instance, &lists, list));
    let length = args.ttl.0.map_or_else(String::new, |ttl| format!(" for {}", duration::format(ttl)));
    let message = format!("{} {}{length}", past_participle(list), name_targets(targets));
    let change = ListChangeJson::new(&lists, list).with_targets(changes);
    Ok(ChangeOutcome { message, notes, change, before: entries(&before, now) })
}

/// Removes targets from a list; those that are not in it are noted, or fail the command if it is `strict`.
///
/// # Errors
///
/// If the list cannot be changed. Nothing has changed then.
pub(in crate::commands) fn delete(
    instance: &Instance,
    list: List,
    targets: &[ParsedTarget],
    strict: bool,
) -> Result<ChangeOutcome> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let before = present_entries(&lists, list, targets, now)?;
    let mut notes = notes::on_masked(targets);
    let (mut present, mut changes, mut missing) = (Vec::new(), Vec::new(), 0);
    for written in distinct(targets) {
        if lists.entry(list, written.target, now)?.is_some() {
            present.push(*written);
            changes.push((written.target, TargetChange::Removed));
            continue;
        }
        if strict {
            let (_, why) = notes::on_missing(&lists, list, written.target, now)?;
            bail!("{why}; nothing was changed");
        }
        changes.push((written.target, TargetChange::Missing));
        missing += 1;
        if missing <= NOTES_MAX {
            notes.push(notes::on_missing(&lists, list, written.target, now)?);
        }
    }
    if missing > NOTES_MAX {
        let more = missing - NOTES_MAX;
        notes.push((Level::Info, format!("{more} more targets are not in the {}", list.name())));
    }
    if present.is_empty() {
        let message = format!("nothing to remove from the {}", list.name());
        let change = ListChangeJson::new(&lists, list).with_targets(changes);
        return Ok(ChangeOutcome { message, notes, change, before: Vec::new() });
    }
    let plain: Vec<Target> = present.iter().map(|written| written.target).collect();
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Del);
    lists.remove(list, &plain, now)?;
    audit.targets(plain.iter()).record(&lists, list);
    for &target in plain.iter().take(NOTES_MAX) {
        notes.extend(notes::on_still_covered(&lists, list, target, now)?);
    }
    notes.extend(notes::on_effect(instance, &lists, list));
    let message = format!("{} removed from the {}", name_targets(&present), list.name());
    let change = ListChangeJson::new(&lists, list).with_targets(changes);
    Ok(ChangeOutcome { message, notes, change, before: entries(&before, now) })
}

/// Restores a former entry, replacing the present one, if any.
///
/// # Errors
///
/// If the entry has expired, or the list has no room. Nothing has changed then.
pub(in crate::commands) fn put_back(instance: &Instance, list: List, entry: &Entry) -> Result<ChangeOutcome> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let (target, name) = (entry.target, list.name());
    if entry.is_expired(now) {
        let message = format!("the former entry of {target} in the {name} has expired: nothing was changed");
        return Err(failure(ExitKind::Invalid, message));
    }
    let targets = [ParsedTarget { target, masked: false }];
    let before = present_entries(&lists, list, &targets, now)?;
    let changes = added_or_replaced(&lists, list, &targets, now)?;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Restore);
    lists.add(list, vec![entry.clone()], now)?;
    audit.targets(std::iter::once(target)).record(&lists, list);
    let mut notes = notes::on_others(&lists, list, target)?;
    notes.extend(notes::on_effect(instance, &lists, list));
    Ok(ChangeOutcome {
        message: format!("{target} restored in the {name}"),
        change: ListChangeJson::new(&lists, list).with_targets(changes),
        notes,
        before: entries(&before, now),
    })
}

/// Returns the targets without repetitions.
fn distinct(targets: &[ParsedTarget]) -> impl Iterator<Item = &ParsedTarget> {
    let mut seen = HashSet::new();
    targets.iter().filter(move |written| seen.insert(written.target))
}

/// Returns for each target whether an entry of it will be new in the list.
fn added_or_replaced(
    lists: &ListTransaction,
    list: List,
    targets: &[ParsedTarget],
    now: Now,
) -> Result<Vec<(Target, TargetChange)>> {
    let mut changes = Vec::new();
    for ParsedTarget { target, .. } in distinct(targets) {
        let is_present = lists.entry(list, *target, now)?.is_some();
        changes.push((*target, if is_present { TargetChange::Replaced } else { TargetChange::Added }));
    }
    Ok(changes)
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
