//! `synguard block` and `synguard allow`: the operator's lists.

pub(super) mod change;
mod import;
mod restore;
mod show;

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_kernel::{clock, instance::Instance, protected};
use synguard_lists::transaction::ListTransaction;
use synguard_model::ip_prefix::{ParsedTarget, Target};

use self::change::Done;
pub(super) use self::restore::restore;
use super::output::emit;
use crate::cli::ListCommand;

/// Does what the command line says with one of the lists.
///
/// # Errors
///
/// Not attached, or whatever the command fails with; then nothing has changed.
pub(super) fn run(instance: &Instance, list: List, command: &ListCommand) -> Result<()> {
    match command {
        ListCommand::Add(args) => say(change::add(instance, list, &args.targets, &args.entry)?),
        ListCommand::Del { targets } => say(change::del(instance, list, targets)?),
        ListCommand::Import(args) => import::run(instance, list, args),
        ListCommand::Flush => flush(instance, list),
        ListCommand::List(output) => show::list(instance, list, output.json),
        ListCommand::Export => show::export(instance, list),
        ListCommand::Check { address, output } => show::check(instance, *address, output.json),
    }
}

fn say_notes(notes: impl IntoIterator<Item = (log::Level, String)>) {
    for (level, note) in notes {
        log::log!(level, "{note}");
    }
}

fn say(done: Done) -> Result<()> {
    say_notes(done.notes);
    emit(format!("{}\n", done.said))
}

fn flush(instance: &Instance, list: List) -> Result<()> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let entries = lists.size(list)?.entries;
    lists.replace(list, &[], now)?;
    emit(format!("{} taken out of the {}\n", counted(entries, "entry", "entries"), list.name()))
}

/// Says why a target may not be listed, if it may not.
fn refusal(list: List, force: bool) -> impl Fn(Target) -> Option<String> {
    let current = (list == List::Block && !force).then(protected::current);
    for unread in current.iter().flat_map(|current| &current.warnings) {
        log::warn!("{unread}");
    }
    move |target| {
        let conflict = current.as_ref()?.set.conflict(target.net())?;
        Some(conflict.to_string())
    }
}

/// One target, or how many there are.
fn named(targets: &[ParsedTarget]) -> String {
    match targets {
        [one] => one.target.to_string(),
        more => format!("{} targets", more.len()),
    }
}

/// A number of things.
fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
