//! `synguard block` and `synguard allow`: the operator's lists.

mod import;
mod restore;
mod show;

use anyhow::Result;

pub(super) use self::restore::restore;
use super::emit;
use crate::{
    cli::{AddArgs, ListCommand},
    clock,
    error::{Kind, failure},
    instance::Instance,
    lists::{Entry, List, Live, Origin, Target, target::Written, time},
    protected,
};

/// Up to how many targets it is said of each what else is in the lists about it.
const NOTES_MAX: usize = 8;

/// Does what the command line says with one of the lists.
///
/// # Errors
///
/// Not attached, or whatever the command fails with; then nothing has changed.
pub(super) fn run(instance: &Instance, list: List, command: &ListCommand) -> Result<()> {
    match command {
        ListCommand::Add(args) => add(instance, list, args),
        ListCommand::Del { targets } => del(instance, list, targets),
        ListCommand::Import(args) => import::run(instance, list, args),
        ListCommand::Flush => flush(instance, list),
        ListCommand::List(output) => show::list(instance, list, output.json),
        ListCommand::Export => show::export(instance, list),
        ListCommand::Check { address, output } => show::check(instance, *address, output.json),
    }
}

fn add(instance: &Instance, list: List, args: &AddArgs) -> Result<()> {
    let mut live = Live::open(instance)?;
    let now = clock::now();
    let refuse = refusal(list, args.entry.force);
    for written in &args.targets {
        if let Some(why) = refuse(written.target) {
            return Err(failure(
                Kind::Invalid,
                format!("{why}: nothing was changed; add --force to block it anyway"),
            ));
        }
    }
    let entry = |written: &Written| Entry {
        target: written.target,
        scope: args.entry.scope,
        origin: Origin::Operator,
        reason: args.entry.reason.clone(),
        created_ms: now.wall_ms,
        expires_ms: args.entry.ttl.map(|ttl| now.expiry_after(ttl)),
    };
    live.add(list, args.targets.iter().map(entry).collect(), now)?;
    say_masked(&args.targets);
    if args.targets.len() <= NOTES_MAX {
        for written in &args.targets {
            note_others(&live, list, written.target)?;
        }
    }
    let done = match list {
        List::Allow => "allowed",
        List::Block => "blocked",
    };
    let length = args.entry.ttl.map_or_else(String::new, |ttl| format!(" for {}", time::left(ttl)));
    emit(format!("{done} {}{length}\n", named(&args.targets)))
}

fn del(instance: &Instance, list: List, targets: &[Written]) -> Result<()> {
    let mut live = Live::open(instance)?;
    let plain: Vec<Target> = targets.iter().map(|written| written.target).collect();
    live.remove(list, &plain, clock::now())?;
    say_masked(targets);
    emit(format!("{} taken out of the {}\n", named(targets), list.name()))
}

fn flush(instance: &Instance, list: List) -> Result<()> {
    let mut live = Live::open(instance)?;
    let now = clock::now();
    let entries = live.size(list)?.entries;
    live.replace(list, &[], now)?;
    emit(format!("{} taken out of the {}\n", counted(entries, "entry", "entries"), list.name()))
}

/// Says why a target may not be listed, if it may not.
fn refusal(list: List, force: bool) -> impl Fn(Target) -> Option<String> {
    let current = (list == List::Block && !force).then(protected::current);
    for unread in current.iter().flat_map(|current| &current.unread) {
        log::warn!("{unread}");
    }
    move |target| {
        let conflict = current.as_ref()?.set.conflict(target.net())?;
        Some(conflict.to_string())
    }
}

/// Says what was made of targets with host bits.
fn say_masked(targets: &[Written]) {
    for written in targets.iter().filter(|written| written.masked) {
        log::info!("host bits were cleared: {} is what counts", written.target);
    }
}

/// Says what else the lists have about a target, where that may surprise.
fn note_others(live: &Live, list: List, target: Target) -> Result<()> {
    let now = clock::now();
    if list == List::Block
        && let Some(view) = live.covering(List::Allow, target, now)?.first()
    {
        log::warn!("{target} stays allowed: {} is in the allowlist, which wins", view.target);
    }
    if let Some(view) = live.covering(list, target, now)?.get(1) {
        log::info!("{target} is in {} as well, which is in the {} already", view.target, list.name());
    }
    Ok(())
}

/// One target, or how many there are.
fn named(targets: &[Written]) -> String {
    match targets {
        [one] => one.target.to_string(),
        more => format!("{} targets", more.len()),
    }
}

/// A number of things.
fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
