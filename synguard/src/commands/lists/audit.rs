//! Changes of lists as events.

use std::fmt::Display;

use synguard_common::ip_list::List;
use synguard_kernel::instance::Instance;
use synguard_lists::transaction::ListTransaction;
use synguard_model::event::{Event, ListChange, ListVerb, TARGETS_MAX};

use crate::{audit, cli::EntryArgs};

/// A list before a change that will be recorded.
pub(super) struct ListAudit<'a> {
    instance: &'a Instance,
    change: ListChange,
}

impl<'a> ListAudit<'a> {
    /// Begins a change.
    pub(super) fn begin(instance: &'a Instance, lists: &ListTransaction, list: List, verb: ListVerb) -> Self {
        let change = ListChange {
            list: list.verb().to_owned(),
            verb,
            targets: Vec::new(),
            more: 0,
            file: None,
            ttl_seconds: None,
            scope: None,
            reason: None,
            from: entries(lists, list),
            to: 0,
        };
        Self { instance, change }
    }

    /// Adds the targets of the change.
    pub(super) fn targets(mut self, targets: impl ExactSizeIterator<Item: Display>) -> Self {
        self.change.more = targets.len().saturating_sub(TARGETS_MAX) as u64;
        self.change.targets = targets.take(TARGETS_MAX).map(|target| target.to_string()).collect();
        self
    }

    /// Adds the attributes of the new entries.
    pub(super) fn entries(mut self, args: &EntryArgs) -> Self {
        self.change.ttl_seconds = args.ttl.0.map(|ttl| ttl.as_secs());
        self.change.scope = Some(args.scope.name().to_owned());
        self.change.reason = args.reason().map(|reason| reason.to_string());
        self
    }

    /// Adds the file of an import, and the number of targets in it, which are not named.
    pub(super) fn import(mut self, file: String, targets: u64) -> Self {
        self.change.file = Some(file);
        self.change.more = targets;
        self
    }

    /// Records the change, which has been made.
    pub(super) fn record(self, lists: &ListTransaction, list: List) {
        let change = ListChange { to: entries(lists, list), ..self.change };
        audit::record(self.instance, |actor| Event::ListChanged { change, actor });
    }
}

/// Returns the number of entries of a list; 0 if it cannot be read, which fails no command.
fn entries(lists: &ListTransaction, list: List) -> u64 {
    lists.size(list).map_or(0, |size| size.entries)
}
