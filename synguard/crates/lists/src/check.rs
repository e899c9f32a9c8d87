//! What the lists say of an address: which entry decides, and why. Pure.

use std::{num::NonZeroU64, time::Duration};

use synguard_common::ip_list::{List, ListEntry, Prefix};
use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
    time::{self, Now},
};

/// An entry as it is shown: what the filter's table has of it, and what the files add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryView {
    /// What it is about.
    pub target: Target,
    /// What of its traffic.
    pub scope: Scope,
    /// Where it comes from.
    pub origin: Origin,
    /// Packets it has decided about.
    pub hits: u64,
    /// When it ends, in nanoseconds of CLOCK_MONOTONIC; 0 is never.
    pub expires_ns: u64,
    /// Why it is there, if a file says so.
    pub reason: Option<EntryReason>,
    /// When it was made, in milliseconds since 1970, if a file says so.
    pub created_ms: Option<u64>,
    /// When it ends by the file, in milliseconds since 1970.
    pub stored_expiry_ms: Option<u64>,
}

impl EntryView {
    /// What the filter's table has.
    pub fn from_abi(key: &Prefix, entry: &ListEntry) -> Self {
        Self {
            target: Target::from_key(key),
            scope: Scope::from_abi(entry.scope),
            origin: Origin::from_abi(entry.origin),
            hits: entry.hits,
            expires_ns: entry.expires_at_ns,
            reason: None,
            created_ms: None,
            stored_expiry_ms: None,
        }
    }

    /// The entry as a file would have it.
    pub fn to_entry(&self, now: Now) -> Entry {
        let created_ms = self.created_ms.unwrap_or(now.wall_ms).min(now.wall_ms);
        Entry {
            target: self.target,
            scope: self.scope,
            origin: self.origin,
            reason: self.reason.clone(),
            created_ms,
            expires_ms: self.expires_ms(now).map(|at| NonZeroU64::new(at).unwrap_or(NonZeroU64::MIN)),
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Now) -> bool {
        self.expires_ns != 0 && self.expires_ns <= now.monotonic_ns
    }

    /// How long it has left; `None` is forever.
    pub fn left(&self, now: Now) -> Option<Duration> {
        (self.expires_ns != 0).then(|| Duration::from_nanos(self.expires_ns.saturating_sub(now.monotonic_ns)))
    }

    /// When it ends, in milliseconds since 1970; `None` is never.
    pub fn expires_ms(&self, now: Now) -> Option<u64> {
        if self.expires_ns == 0 {
            return None;
        }
        let computed = now.wall_at(self.expires_ns);
        // The clocks drift apart by a little: the file's time is steadier. By more, and the table's is true.
        let stored = self.stored_expiry_ms.filter(|stored| stored.abs_diff(computed) < 1_000);
        Some(stored.unwrap_or(computed))
    }

    /// Takes over what a file says of the entry.
    pub fn add_details(&mut self, stored: &Entry) {
        self.reason.clone_from(&stored.reason);
        self.created_ms = Some(stored.created_ms);
        self.stored_expiry_ms = stored.expires_ms.map(Into::into);
    }

    /// What is known of it, in words.
    pub fn describe(&self, now: Now) -> String {
        let mut words = vec![match self.scope {
            Scope::All => "all packets".to_owned(),
            Scope::Syn => "SYNs only".to_owned(),
        }];
        words.push(match self.origin {
            Origin::Operator => "added by hand".to_owned(),
            Origin::Auto => "automatic".to_owned(),
            Origin::Feed => "imported".to_owned(),
        });
        words.push(match self.left(now) {
            Some(left) => format!("{} left", time::left(left)),
            None => "for good".to_owned(),
        });
        words.push(match self.hits {
            0 => "no packet yet".to_owned(),
            1 => "1 packet".to_owned(),
            hits => format!("{hits} packets"),
        });
        words.extend(self.reason.as_ref().map(|reason| format!("\"{reason}\"")));
        words.join(", ")
    }
}

/// What becomes of a packet as far as the lists are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListVerdict {
    /// It passes: nothing else is asked.
    Allowed,
    /// It is dropped.
    Blocked,
    /// No entry is about it.
    Unlisted,
}

impl ListVerdict {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::Unlisted => "unlisted",
        }
    }
}

/// What the lists say of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDecision<'a> {
    /// What becomes of a SYN.
    pub syn: ListVerdict,
    /// What becomes of any other packet.
    pub other: ListVerdict,
    /// The entry that decides about a SYN, and the list it is in.
    pub by: Option<(List, &'a EntryView)>,
}

/// Decides as the filter does: the allowlist first, then the blocklist; in each the first entry, the longest
/// prefix first, whose time is not over and whose scope fits the packet. The entries are those that cover the
/// address, in that order.
pub fn decide<'a>(allow: &'a [EntryView], block: &'a [EntryView], now: Now) -> ListDecision<'a> {
    let first = |views: &'a [EntryView], syn: bool| {
        views.iter().find(|view| !view.is_over(now) && (syn || view.scope == Scope::All))
    };
    let find = |syn| {
        let allowed = first(allow, syn).map(|view| (List::Allow, view));
        allowed.or_else(|| first(block, syn).map(|view| (List::Block, view)))
    };
    let verdict = |found: Option<(List, &EntryView)>| match found {
        Some((List::Allow, _)) => ListVerdict::Allowed,
        Some((List::Block, _)) => ListVerdict::Blocked,
        None => ListVerdict::Unlisted,
    };
    let by = find(true);
    ListDecision { syn: verdict(by), other: verdict(find(false)), by }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { wall_ms: 1_000_000, monotonic_ns: 1_000 };

    fn view(target: &str, scope: Scope, expires_ns: u64) -> EntryView {
        EntryView {
            target: target.parse().expect("a target"),
            scope,
            origin: Origin::Operator,
            hits: 0,
            expires_ns,
            reason: None,
            created_ms: None,
            stored_expiry_ms: None,
        }
    }

    #[test]
    fn who_decides() {
        use ListVerdict::{Allowed, Blocked, Unlisted};
        let net = view("192.0.2.0/24", Scope::All, 0);
        let host = view("192.0.2.1", Scope::All, 0);
        let host_syn = view("192.0.2.1", Scope::Syn, 0);
        let over = view("192.0.2.1", Scope::All, 1_000);
        let lasting = view("192.0.2.1", Scope::All, 1_001);
        for (allow, block, syn, other, by) in [
            (vec![], vec![], Unlisted, Unlisted, None),
            (vec![], vec![&host], Blocked, Blocked, Some((List::Block, &host))),
            (vec![], vec![&host, &net], Blocked, Blocked, Some((List::Block, &host))),
            (vec![&net], vec![&host], Allowed, Allowed, Some((List::Allow, &net))),
            (vec![], vec![&host_syn], Blocked, Unlisted, Some((List::Block, &host_syn))),
            (vec![], vec![&host_syn, &net], Blocked, Blocked, Some((List::Block, &host_syn))),
            (vec![&host_syn], vec![&net], Allowed, Blocked, Some((List::Allow, &host_syn))),
            (vec![&over], vec![&host], Blocked, Blocked, Some((List::Block, &host))),
            (vec![], vec![&over], Unlisted, Unlisted, None),
            (vec![], vec![&over, &net], Blocked, Blocked, Some((List::Block, &net))),
            (vec![], vec![&lasting], Blocked, Blocked, Some((List::Block, &lasting))),
        ] {
            let own = |views: &[&EntryView]| views.iter().map(|&view| view.clone()).collect::<Vec<_>>();
            let (allow, block) = (own(&allow), own(&block));
            let got = decide(&allow, &block, NOW);
            assert_eq!((got.syn, got.other, got.by), (syn, other, by), "{allow:?} {block:?}");
        }
    }

    #[test]
    fn words() {
        let mut entry = view("192.0.2.1", Scope::Syn, 61_000_001_000);
        entry.reason = EntryReason::new("scan").ok();
        assert_eq!(entry.describe(NOW), "SYNs only, added by hand, 1m 1s left, no packet yet, \"scan\"");
        entry = EntryView { origin: Origin::Feed, hits: 7, ..view("192.0.2.1", Scope::All, 0) };
        assert_eq!(entry.describe(NOW), "all packets, imported, for good, 7 packets");
    }

    #[test]
    fn the_files_time_is_shown_while_it_is_about_right() {
        let mut entry = view("192.0.2.1", Scope::All, 2_000_001_000);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_000));
        entry.stored_expiry_ms = Some(1_002_003);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_003));
        entry.stored_expiry_ms = Some(9_002_003);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_000));
        assert_eq!(view("192.0.2.1", Scope::All, 0).expires_ms(NOW), None);
    }
}
