//! Changes of the lists that somebody asks for on the screen, and how each is undone. Pure.

use std::time::Duration;

use super::data::Listed;
use crate::{duration, sources::Standing};

/// How long an entry may be given, shortest first; `None` is for good.
pub const TIMES: [Option<Duration>; 5] = [
    Some(Duration::from_secs(15 * 60)),
    Some(Duration::from_secs(3600)),
    Some(Duration::from_secs(86_400)),
    Some(Duration::from_secs(7 * 86_400)),
    None,
];
/// Which of [`TIMES`] is offered first.
pub const TIME_FIRST: usize = 1;

/// A change of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts a target on a list.
    Add {
        /// Which list: that of the blocked or that of the allowed.
        standing: Standing,
        /// An address or network.
        target: String,
        /// For how long; `None` is for good.
        time: Option<Duration>,
    },
    /// Takes a target off a list.
    Remove {
        /// Which list.
        standing: Standing,
        /// As it stands on the list.
        target: String,
    },
}

impl Change {
    /// What would undo it, given what is on the lists before; `None` if there is nothing to undo.
    pub fn inverse(&self, listed: &[Listed]) -> Option<Self> {
        let (Self::Add { standing, target, .. } | Self::Remove { standing, target }) = self;
        let before = listed.iter().find(|entry| entry.standing == *standing && entry.target == *target);
        match (before, self) {
            (Some(entry), _) => Some(Self::Add {
                standing: *standing,
                target: target.clone(),
                time: entry.seconds_left.map(Duration::from_secs),
            }),
            (None, Self::Add { .. }) => Some(Self::Remove { standing: *standing, target: target.clone() }),
            (None, Self::Remove { .. }) => None,
        }
    }

    /// What it does, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Add { standing, target, time } => {
                let verb = if *standing == Standing::Allowed { "allow" } else { "block" };
                format!("{verb} {target} {}", time_text(*time))
            }
            Self::Remove { standing, target } => {
                let list = if *standing == Standing::Allowed { "allowlist" } else { "blocklist" };
                format!("take {target} off the {list}")
            }
        }
    }
}

/// A time, for people.
pub fn time_text(time: Option<Duration>) -> String {
    time.map_or_else(|| "for good".to_owned(), |time| format!("for {}", duration::format(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(target: &str, time: Option<u64>) -> Change {
        let time = time.map(Duration::from_secs);
        Change::Add { standing: Standing::Blocked, target: target.to_owned(), time }
    }

    #[test]
    fn undoing_restores_what_was_there_before() {
        let remove = Change::Remove { standing: Standing::Blocked, target: "192.0.2.1".to_owned() };
        assert_eq!(block("192.0.2.1", Some(60)).inverse(&[]), Some(remove.clone()));
        assert_eq!(remove.inverse(&[]), None);
        let before = Listed {
            standing: Standing::Blocked,
            target: "192.0.2.1".to_owned(),
            seconds_left: Some(7),
            ..Listed::default()
        };
        let listed = [Listed { standing: Standing::Allowed, ..before.clone() }, before];
        assert_eq!(block("192.0.2.1", None).inverse(&listed), Some(block("192.0.2.1", Some(7))));
        assert_eq!(remove.inverse(&listed), Some(block("192.0.2.1", Some(7))));
        assert_eq!(block("192.0.2.1", Some(5400)).describe(), "block 192.0.2.1 for 1h30m");
        assert_eq!(block("192.0.2.1", None).describe(), "block 192.0.2.1 for good");
        assert_eq!(remove.describe(), "take 192.0.2.1 off the blocklist");
    }
}
