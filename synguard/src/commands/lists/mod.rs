//! `synguard block` and `synguard allow`: the operator's lists.

mod audit;
pub(super) mod change;
mod import;
mod notes;
mod restore;
mod show;

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_kernel::{clock, instance::Instance, protected};
use synguard_lists::transaction::ListTransaction;
use synguard_model::{
    event::ListVerb,
    ip_prefix::{ParsedTarget, Target},
};

pub(super) use self::restore::restore;
use self::{audit::ListAudit, change::ChangeOutcome};
use super::stdout::emit;
use crate::{
    cli::{ListCommand, Output},
    output::{ListChangeJson, to_line},
};

/// Runs a command on one of the lists. On an error, nothing has changed.
pub(super) fn run(instance: &Instance, list: List, command: &ListCommand) -> Result<()> {
    match command {
        ListCommand::Add(args) => {
            report(change::add(instance, list, &args.targets, &args.entry)?, args.output)
        }
        ListCommand::Del(args) => {
            report(change::delete(instance, list, &args.targets, args.strict)?, args.output)
        }
        ListCommand::Import(args) => import::run(instance, list, args),
        ListCommand::Flush(output) => flush(instance, list, *output),
        ListCommand::List(output) => show::list(instance, list, output.json),
        ListCommand::Export => show::export(instance, list),
        ListCommand::Check { address, output } => show::check(instance, *address, output.json),
    }
}

/// Prints a change in one line, or as JSON, and its notes.
fn report(outcome: ChangeOutcome, output: Output) -> Result<()> {
    notes::print(outcome.notes);
    emit(if output.json { to_line(&outcome.change)? } else { format!("{}\n", outcome.message) })
}

fn flush(instance: &Instance, list: List, output: Output) -> Result<()> {
    let mut lists = ListTransaction::open(instance)?;
    let now = clock::now();
    let entries = lists.size(list)?.entries;
    let audit = ListAudit::begin(instance, &lists, list, ListVerb::Flush);
    lists.replace(list, &[], now)?;
    audit.record(&lists, list);
    let outcome = ChangeOutcome {
        message: format!("{} removed from the {}", counted(entries, "entry", "entries"), list.name()),
        notes: notes::on_effect(instance, &lists, list).into_iter().collect(),
        before: Vec::new(),
        change: ListChangeJson { removed: entries, ..ListChangeJson::new(&lists, list) },
    };
    report(outcome, output)
}

/// Returns a function that gives the reason why a target must not be listed, if there is one.
fn refusal(list: List, force: bool) -> impl Fn(Target) -> Option<String> {
    let current = (list == List::Block && !force).then(protected::current);
    for unread in current.iter().flat_map(|current| &current.warnings) {
        log::warn!("{unread}");
    }
    move |target| {
        if list == List::Allow && !force {
            let family = notes::whole_family(target)?;
            return Some(format!(
                "{target} is every {family} address, of which the filter would drop nothing"
            ));
        }
        let conflict = current.as_ref()?.set.conflict(target.net())?;
        Some(conflict.to_string())
    }
}

/// Names a single target, or the number of targets.
fn name_targets(targets: &[ParsedTarget]) -> String {
    match targets {
        [single] => single.target.to_string(),
        more => format!("{} targets", more.len()),
    }
}

/// Formats a number with the singular or plural of a noun.
fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Returns the word for the state of a target in a list.
const fn past_participle(list: List) -> &'static str {
    match list {
        List::Allow => "allowed",
        List::Block => "blocked",
    }
}
