//! Changes of the lists that somebody asks for on the screen. Pure.

use std::time::Duration;

use synguard_model::{duration, list_entry::Entry, source::SourceStatus};

/// How long an entry may be given, shortest first; `None` is for good.
pub(crate) const TIMES: [Option<Duration>; 5] = [
    Some(Duration::from_secs(15 * 60)),
    Some(Duration::from_secs(3600)),
    Some(Duration::from_secs(86_400)),
    Some(Duration::from_secs(7 * 86_400)),
    None,
];
/// Which of [`TIMES`] is offered first.
pub(crate) const TIME_FIRST: usize = 1;

/// A change of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts a target on a list.
    Add {
        /// Which list: that of the blocked or that of the allowed.
        standing: SourceStatus,
        /// An address or network.
        target: String,
        /// For how long; `None` is for good.
        time: Option<Duration>,
    },
    /// Takes a target off a list.
    Remove {
        /// Which list.
        standing: SourceStatus,
        /// As it stands on the list.
        target: String,
    },
    /// Puts an entry on a list as it was before.
    PutBack {
        /// Which list.
        standing: SourceStatus,
        /// The entry.
        entry: Entry,
    },
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What was done.
    pub said: String,
    /// What would undo it.
    pub undo: Option<Change>,
}

impl Change {
    /// What it does, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Add { standing, target, time } => {
                let verb = if *standing == SourceStatus::Allowed { "allow" } else { "block" };
                format!("{verb} {target} {}", time_text(*time))
            }
            Self::Remove { standing, target } => format!("take {target} off the {}", list(*standing)),
            Self::PutBack { standing, entry } => {
                format!("put {} back on the {}, as it was", entry.target, list(*standing))
            }
        }
    }
}

const fn list(standing: SourceStatus) -> &'static str {
    if matches!(standing, SourceStatus::Allowed) { "allowlist" } else { "blocklist" }
}

/// A time, for people.
pub(crate) fn time_text(time: Option<Duration>) -> String {
    time.map_or_else(|| "for good".to_owned(), |time| format!("for {}", duration::format(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_say_what_they_do() {
        let target = || "192.0.2.1".to_owned();
        let block = |seconds: Option<u64>| {
            let time = seconds.map(Duration::from_secs);
            Change::Add { standing: SourceStatus::Blocked, target: target(), time }.describe()
        };
        assert_eq!(block(Some(5400)), "block 192.0.2.1 for 1h30m");
        assert_eq!(block(None), "block 192.0.2.1 for good");
        let remove = Change::Remove { standing: SourceStatus::Blocked, target: target() };
        assert_eq!(remove.describe(), "take 192.0.2.1 off the blocklist");
        let entry = Entry {
            target: target().parse().expect("a target"),
            scope: synguard_model::list_entry::Scope::All,
            origin: synguard_model::list_entry::Origin::Feed,
            reason: None,
            created_ms: 0,
            expires_ms: None,
        };
        let put_back = Change::PutBack { standing: SourceStatus::Allowed, entry };
        assert_eq!(put_back.describe(), "put 192.0.2.1 back on the allowlist, as it was");
    }
}
