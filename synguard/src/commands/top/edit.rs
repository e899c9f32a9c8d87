//! Performs the list edits of the screen, the same way as `block` and `allow` do.

use anyhow::{Result, bail};
use synguard_common::ip_list::List;
use synguard_kernel::instance::Instance;
use synguard_model::{
    ip_prefix::ParsedTarget,
    list_entry::{Entry, Scope},
    source::SourceStatus,
};
use synguard_top::list_edit::{EditResult, ListEdit};

use crate::{
    cli::{EntryArgs, EntryTtl},
    commands::lists::change::{self, ChangeOutcome},
};

/// Performs an edit and returns its undo.
///
/// # Errors
///
/// The edit failed; then nothing has changed.
pub(super) fn make(instance: &Instance, edit: &ListEdit) -> Result<EditResult> {
    let (ListEdit::Add { status, .. } | ListEdit::Remove { status, .. } | ListEdit::PutBack { status, .. }) =
        edit;
    let status = *status;
    let list = match status {
        SourceStatus::Blocked => List::Block,
        SourceStatus::Allowed => List::Allow,
        SourceStatus::Ok | SourceStatus::Hold => {
            bail!("there is no list of those in state {}", status.label())
        }
    };
    let (outcome, target) = match edit {
        ListEdit::Add { target, time, scope, .. } => {
            let args = EntryArgs { ttl: EntryTtl(*time), reason: None, scope: *scope, force: false };
            let mut outcome = change::add(instance, list, &[ParsedTarget::parse(target)?], &args)?;
            if *scope == Scope::Syn {
                outcome.message += ", SYNs only";
            }
            (outcome, target.clone())
        }
        ListEdit::Remove { target, .. } => {
            (change::delete(instance, list, &[ParsedTarget::parse(target)?], false)?, target.clone())
        }
        ListEdit::PutBack { entry, .. } => {
            (change::put_back(instance, list, entry)?, entry.target.to_string())
        }
    };
    let ChangeOutcome { mut message, notes, before, .. } = outcome;
    for (_, note) in notes {
        message += "; ";
        message += &note;
    }
    Ok(EditResult { message, undo: undo(edit, status, target, before) })
}

fn undo(edit: &ListEdit, status: SourceStatus, target: String, before: Vec<Entry>) -> Option<ListEdit> {
    match (before.into_iter().next(), edit) {
        (Some(entry), _) => Some(ListEdit::PutBack { status, entry }),
        (None, ListEdit::Remove { .. }) => None,
        (None, _) => Some(ListEdit::Remove { status, target }),
    }
}
