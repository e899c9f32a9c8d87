//! Edits of the lists that the user requests on the screen. Pure.

use std::time::Duration;

use synguard_model::{
    duration,
    list_entry::{Entry, Scope},
    source::SourceStatus,
};

/// Times offered for an entry, shortest first; `None` is permanent.
pub(crate) const TIMES: [Option<Duration>; 5] = [
    Some(Duration::from_secs(15 * 60)),
    Some(Duration::from_secs(3600)),
    Some(Duration::from_secs(86_400)),
    Some(Duration::from_secs(7 * 86_400)),
    None,
];
/// Index in [`TIMES`] of the default.
pub(crate) const TIME_FIRST: usize = 1;

/// An edit of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEdit {
    /// Adds a target to a list.
    Add {
        /// The list: blocked or allowed.
        status: SourceStatus,
        /// An address or prefix.
        target: String,
        /// Lifetime of the entry; `None` is permanent.
        time: Option<Duration>,
        /// Packets to which the entry applies.
        scope: Scope,
    },
    /// Removes a target from a list.
    Remove {
        /// The list.
        status: SourceStatus,
        /// The target exactly as listed.
        target: String,
    },
    /// Restores an entry as it was before.
    PutBack {
        /// The list.
        status: SourceStatus,
        /// The entry.
        entry: Entry,
    },
}

/// The result of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditResult {
    /// Description of the edit.
    pub message: String,
    /// The edit that undoes it.
    pub undo: Option<ListEdit>,
}

impl ListEdit {
    /// Describes the edit.
    pub fn describe(&self) -> String {
        match self {
            Self::Add { status, target, time, scope } => {
                let verb = if *status == SourceStatus::Allowed { "allow" } else { "block" };
                let syns = if *scope == Scope::Syn { "SYNs from " } else { "" };
                format!("{verb} {syns}{target} {}", time_text(*time))
            }
            Self::Remove { status, target } => format!("take {target} off the {}", list(*status)),
            Self::PutBack { status, entry } => {
                format!("put {} back on the {}, as it was", entry.target, list(*status))
            }
        }
    }
}

const fn list(status: SourceStatus) -> &'static str {
    if matches!(status, SourceStatus::Allowed) { "allowlist" } else { "blocklist" }
}

/// Describes a lifetime.
pub(crate) fn time_text(time: Option<Duration>) -> String {
    time.map_or_else(|| "permanently".to_owned(), |time| format!("for {}", duration::format(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_say_what_they_do() {
        let target = || "192.0.2.1".to_owned();
        let block = |seconds: Option<u64>, scope| {
            let time = seconds.map(Duration::from_secs);
            ListEdit::Add { status: SourceStatus::Blocked, target: target(), time, scope }.describe()
        };
        assert_eq!(block(Some(5400), Scope::All), "block 192.0.2.1 for 1h30m");
        assert_eq!(block(None, Scope::All), "block 192.0.2.1 permanently");
        assert_eq!(block(Some(3600), Scope::Syn), "block SYNs from 192.0.2.1 for 1h");
        let remove = ListEdit::Remove { status: SourceStatus::Blocked, target: target() };
        assert_eq!(remove.describe(), "take 192.0.2.1 off the blocklist");
        let entry = Entry {
            target: target().parse().expect("a target"),
            scope: Scope::All,
            origin: synguard_model::list_entry::Origin::Feed,
            reason: None,
            created_ms: 0,
            expires_ms: None,
        };
        let put_back = ListEdit::PutBack { status: SourceStatus::Allowed, entry };
        assert_eq!(put_back.describe(), "put 192.0.2.1 back on the allowlist, as it was");
    }
}
