//! Texts of the events about changes of settings and lists, and the change of a list.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{duration, settings::SettingChange};

/// Number of targets that an event names.
pub const TARGETS_MAX: usize = 8;

/// Returns the changes in words, or `none` if there are none.
pub(super) fn list_changes(changes: &[SettingChange], none: &str) -> String {
    let texts: Vec<String> = changes.iter().map(SettingChange::text).collect();
    if texts.is_empty() { none.to_owned() } else { texts.join(", ") }
}

/// Returns the text of [`Event::Reloaded`](super::Event::Reloaded), without the actor.
pub(super) fn reload_text(changes: &[SettingChange], at_next_attach: &[SettingChange]) -> String {
    let mut text = format!("settings reloaded: {}", list_changes(changes, "no live setting has changed"));
    if !at_next_attach.is_empty() {
        let _ = write!(text, "; from the next attach on: {}", list_changes(at_next_attach, ""));
    }
    text
}

/// The kind of a change of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ListVerb {
    /// Targets were added.
    Add,
    /// Targets were removed.
    Del,
    /// A former entry was restored.
    Restore,
    /// The targets of a file were added.
    Import,
    /// The list was replaced by the targets of a file.
    Replace,
    /// All entries were removed.
    Flush,
}

/// A change of a list by an operator. One import is one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ListChange {
    /// `block` or `allow`.
    pub list: String,
    pub verb: ListVerb,
    /// The targets, at most eight of them.
    pub targets: Vec<String>,
    /// Number of further targets.
    pub more: u64,
    /// The file that was imported.
    pub file: Option<String>,
    pub ttl_seconds: Option<u64>,
    /// The packets that new entries apply to: `all` or `syn`.
    pub scope: Option<String>,
    pub reason: Option<String>,
    /// Number of entries before the change.
    pub from: u64,
    /// Number of entries after it.
    pub to: u64,
}

impl ListChange {
    /// Returns the change in words, without the actor.
    pub(super) fn text(&self) -> String {
        let Self { list, verb, targets, more, file, ttl_seconds, scope, reason, from, to } = self;
        let mut names = targets.join(", ");
        if *more > 0 {
            let _ = match targets.as_slice() {
                [] => write!(names, "{more} targets"),
                _ => write!(names, " and {more} more"),
            };
        }
        let file = file.as_deref().unwrap_or("a file");
        let mut text = match verb {
            ListVerb::Add => format!("{list}list: {names} added"),
            ListVerb::Del => format!("{list}list: {names} removed"),
            ListVerb::Restore => format!("{list}list: {names} restored"),
            ListVerb::Import => format!("{list}list: {names} imported from {file}"),
            ListVerb::Replace => format!("{list}list: replaced by {names} from {file}"),
            ListVerb::Flush => format!("{list}list: all entries removed"),
        };
        if let Some(seconds) = ttl_seconds {
            let _ = write!(text, " for {}", duration::format(std::time::Duration::from_secs(*seconds)));
        }
        if scope.as_deref() == Some("syn") {
            text.push_str(" (SYNs only)");
        }
        if let Some(reason) = reason {
            let _ = write!(text, ", \"{reason}\"");
        }
        let _ = write!(text, "; {from} → {to} entries");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Key;

    fn change(verb: ListVerb) -> ListChange {
        ListChange {
            list: "block".to_owned(),
            verb,
            targets: Vec::new(),
            more: 0,
            file: None,
            ttl_seconds: None,
            scope: None,
            reason: None,
            from: 5,
            to: 6,
        }
    }

    #[test]
    fn list_change_names_targets_and_numbers() {
        let add = ListChange {
            targets: vec!["192.0.2.7".to_owned(), "2001:db8::/32".to_owned()],
            ttl_seconds: Some(3600),
            scope: Some("syn".to_owned()),
            reason: Some("scan".to_owned()),
            ..change(ListVerb::Add)
        };
        assert_eq!(
            add.text(),
            "blocklist: 192.0.2.7, 2001:db8::/32 added for 1h (SYNs only), \"scan\"; 5 → 6 entries"
        );
        let import = ListChange {
            more: 1_000_000,
            file: Some("/tmp/x".to_owned()),
            from: 0,
            to: 1_000_000,
            ..change(ListVerb::Import)
        };
        assert_eq!(import.text(), "blocklist: 1000000 targets imported from /tmp/x; 0 → 1000000 entries");
        assert_eq!(change(ListVerb::Flush).text(), "blocklist: all entries removed; 5 → 6 entries");
    }

    #[test]
    fn reload_names_what_it_undoes_and_what_waits() {
        let undone = SettingChange { undoes_set: true, ..SettingChange::new(Key::SynRate, 500, 100) };
        let waiting = SettingChange::new(Key::Interfaces, "eth0", "eth0 wan1");
        assert_eq!(
            reload_text(&[undone], &[waiting]),
            "settings reloaded: syn-rate 500 → 100 (was set by `set`); \
             from the next attach on: interfaces eth0 → eth0 wan1"
        );
        assert_eq!(reload_text(&[], &[]), "settings reloaded: no live setting has changed");
    }
}
