//! Makes the changes that somebody asks for on the screen, the same way as `block` and `allow` do.

use anyhow::{Result, bail};
use synguard_common::ip_list::List;
use synguard_kernel::instance::Instance;
use synguard_model::{
    ip_prefix::ParsedTarget,
    list_entry::{Entry, Scope},
    source::SourceStatus,
};
use synguard_top::list_edit::{Change, Made};

use crate::{
    cli::EntryArgs,
    commands::lists::change::{self, ChangeOutcome},
};

/// Makes a change, and says what would undo it.
///
/// # Errors
///
/// If it cannot be made; then nothing has changed.
pub(super) fn make(instance: &Instance, change: &Change) -> Result<Made> {
    let (Change::Add { standing, .. } | Change::Remove { standing, .. } | Change::PutBack { standing, .. }) =
        change;
    let standing = *standing;
    let list = match standing {
        SourceStatus::Blocked => List::Block,
        SourceStatus::Allowed => List::Allow,
        SourceStatus::Ok | SourceStatus::Hold => {
            bail!("there is no list of those in state {}", standing.label())
        }
    };
    let (outcome, target) = match change {
        Change::Add { target, time, .. } => {
            let args = EntryArgs { ttl: *time, reason: None, scope: Scope::All, force: false };
            (change::add(instance, list, &[ParsedTarget::parse(target)?], &args)?, target.clone())
        }
        Change::Remove { target, .. } => {
            (change::delete(instance, list, &[ParsedTarget::parse(target)?])?, target.clone())
        }
        Change::PutBack { entry, .. } => (change::put_back(instance, list, entry)?, entry.target.to_string()),
    };
    let ChangeOutcome { mut message, notes, before } = outcome;
    for (_, note) in notes {
        message += "; ";
        message += &note;
    }
    Ok(Made { said: message, undo: undo(change, standing, target, before) })
}

fn undo(change: &Change, standing: SourceStatus, target: String, before: Vec<Entry>) -> Option<Change> {
    match (before.into_iter().next(), change) {
        (Some(entry), _) => Some(Change::PutBack { standing, entry }),
        (None, Change::Remove { .. }) => None,
        (None, _) => Some(Change::Remove { standing, target }),
    }
}
