//! Decides as the program does which entry of the lists applies to an address. Pure.

use std::{num::NonZeroU64, time::Duration};

use synguard_common::ip_list::{List, ListEntry, Prefix};
use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
    time::{self, Now},
};

/// Difference below which two times of expiry are the same, in milliseconds: the two clocks drift apart slightly.
const SAME_TIME_MS: u64 = 1_000;

/// An entry as it is shown: the contents of the filter's table, and the details that the files add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryView {
    pub target: Target,
    pub scope: Scope,
    pub origin: Origin,
    /// Packets that the entry has decided about.
    pub hits: u64,
    /// Expiry in nanoseconds of `CLOCK_MONOTONIC`; 0 means never.
    pub expires_ns: u64,
    /// Reason given by the operator or the controller; only the files contain it.
    pub reason: Option<EntryReason>,
    /// Time of creation in milliseconds since 1970; only the files contain it.
    pub created_ms: Option<u64>,
    /// Expiry in the file, in milliseconds since 1970.
    pub stored_expiry_ms: Option<u64>,
}

impl EntryView {
    /// Returns a view of an entry of the filter's table, without details.
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

    /// Returns the entry in the form of the files.
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

    /// Reports whether the entry has expired.
    pub fn is_expired(&self, now: Now) -> bool {
        self.expires_ns != 0 && self.expires_ns <= now.monotonic_ns
    }

    /// Returns the time until the entry expires; `None` means that it never does.
    pub fn time_left(&self, now: Now) -> Option<Duration> {
        (self.expires_ns != 0).then(|| Duration::from_nanos(self.expires_ns.saturating_sub(now.monotonic_ns)))
    }

    /// Returns the expiry in milliseconds since 1970; `None` means never.
    pub fn expires_ms(&self, now: Now) -> Option<u64> {
        if self.expires_ns == 0 {
            return None;
        }
        let computed = now.wall_at(self.expires_ns);
        // The two clocks drift apart slightly, so within a second the file's time is used, which stays the same. With a
        // greater difference, the wall clock was set, and the table's time is the true one.
        let stored = self.stored_expiry_ms.filter(|stored| stored.abs_diff(computed) < SAME_TIME_MS);
        Some(stored.unwrap_or(computed))
    }

    /// Adds the details that a file contains about the entry. A file that `is_stale` may contain a former entry of the same
    /// target, whose details are not this entry's.
    pub fn add_details(&mut self, stored: &Entry, is_stale: bool, now: Now) {
        if is_stale && !self.may_be(stored, now) {
            return;
        }
        self.reason.clone_from(&stored.reason);
        self.created_ms = Some(stored.created_ms);
        self.stored_expiry_ms = stored.expires_ms.map(Into::into);
    }

    /// Reports whether an entry of a file is this one, as far as the table tells.
    fn may_be(&self, stored: &Entry, now: Now) -> bool {
        let ends_alike = match (stored.expires_ms, self.expires_ms(now)) {
            (None, None) => true,
            (Some(stored), Some(in_force)) => stored.get().abs_diff(in_force) < SAME_TIME_MS,
            _ => false,
        };
        (stored.scope, stored.origin) == (self.scope, self.origin) && ends_alike
    }

    /// Describes the entry in words, such as `SYNs only, manual, 1m 1s left, no packet yet, "scan"`.
    pub fn describe(&self, now: Now) -> String {
        let left = match self.time_left(now) {
            Some(left) => format!("{} left", time::format_left(left)),
            None => "never expires".to_owned(),
        };
        self.describe_with(Some(left))
    }

    /// Describes the entry in words, without its time.
    pub fn describe_timeless(&self) -> String {
        self.describe_with(None)
    }

    fn describe_with(&self, time: Option<String>) -> String {
        let mut words = vec![match self.scope {
            Scope::All => "all packets".to_owned(),
            Scope::Syn => "SYNs only".to_owned(),
        }];
        words.push(self.origin.label().to_owned());
        words.extend(time);
        words.push(match self.hits {
            0 => "no packet yet".to_owned(),
            1 => "1 packet".to_owned(),
            hits => format!("{hits} packets"),
        });
        words.extend(self.reason.as_ref().map(|reason| format!("\"{reason}\"")));
        words.join(", ")
    }
}

/// Effect of the lists on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListVerdict {
    /// The packet passes without further checks.
    Allowed,
    /// The packet is dropped.
    Blocked,
    /// No entry applies to the packet.
    Unlisted,
}

impl ListVerdict {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::Unlisted => "unlisted",
        }
    }
}

/// Effect of the lists on the packets of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDecision<'a> {
    pub syn: ListVerdict,
    /// Effect on packets other than SYNs.
    pub other: ListVerdict,
    /// List and entry that decide about a SYN.
    pub by: Option<(List, &'a EntryView)>,
}

/// Decides as the program does: the allowlist first, then the blocklist. In each list, the entry with the longest
/// prefix that has not expired and whose scope includes the packet decides. `allow` and `block` are the entries that
/// cover the address, the longest prefix first.
pub fn decide<'a>(allow: &'a [EntryView], block: &'a [EntryView], now: Now) -> ListDecision<'a> {
    let first = |views: &'a [EntryView], syn: bool| {
        views.iter().find(|view| !view.is_expired(now) && (syn || view.scope == Scope::All))
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
    fn allowlist_and_longest_prefix_decide() {
        use ListVerdict::{Allowed, Blocked, Unlisted};
        let prefix = view("192.0.2.0/24", Scope::All, 0);
        let host = view("192.0.2.1", Scope::All, 0);
        let host_syn = view("192.0.2.1", Scope::Syn, 0);
        let expired = view("192.0.2.1", Scope::All, 1_000);
        let lasting = view("192.0.2.1", Scope::All, 1_001);
        for (allow, block, syn, other, by) in [
            (vec![], vec![], Unlisted, Unlisted, None),
            (vec![], vec![&host], Blocked, Blocked, Some((List::Block, &host))),
            (vec![], vec![&host, &prefix], Blocked, Blocked, Some((List::Block, &host))),
            (vec![&prefix], vec![&host], Allowed, Allowed, Some((List::Allow, &prefix))),
            (vec![], vec![&host_syn], Blocked, Unlisted, Some((List::Block, &host_syn))),
            (vec![], vec![&host_syn, &prefix], Blocked, Blocked, Some((List::Block, &host_syn))),
            (vec![&host_syn], vec![&prefix], Allowed, Blocked, Some((List::Allow, &host_syn))),
            (vec![&expired], vec![&host], Blocked, Blocked, Some((List::Block, &host))),
            (vec![], vec![&expired], Unlisted, Unlisted, None),
            (vec![], vec![&expired, &prefix], Blocked, Blocked, Some((List::Block, &prefix))),
            (vec![], vec![&lasting], Blocked, Blocked, Some((List::Block, &lasting))),
        ] {
            let own = |views: &[&EntryView]| views.iter().map(|&view| view.clone()).collect::<Vec<_>>();
            let (allow, block) = (own(&allow), own(&block));
            let got = decide(&allow, &block, NOW);
            assert_eq!((got.syn, got.other, got.by), (syn, other, by), "{allow:?} {block:?}");
        }
    }

    #[test]
    fn views_are_described() {
        let mut entry = view("192.0.2.1", Scope::Syn, 61_000_001_000);
        entry.reason = EntryReason::new("scan").ok();
        assert_eq!(entry.describe(NOW), "SYNs only, manual, 1m 1s left, no packet yet, \"scan\"");
        entry = EntryView { origin: Origin::Feed, hits: 7, ..view("192.0.2.1", Scope::All, 0) };
        assert_eq!(entry.describe(NOW), "all packets, feed, never expires, 7 packets");
    }

    #[test]
    fn details_of_a_former_entry_are_left_out() {
        let reason = EntryReason::new("former").ok();
        let stored = Entry { reason: reason.clone(), ..view("192.0.2.1", Scope::All, 0).to_entry(NOW) };
        for (scope, expires_ns, same) in
            [(Scope::All, 0, true), (Scope::Syn, 0, false), (Scope::All, 61_000_001_000, false)]
        {
            for is_stale in [false, true] {
                let mut entry = view("192.0.2.1", scope, expires_ns);
                entry.add_details(&stored, is_stale, NOW);
                assert_eq!(entry.reason == reason, same || !is_stale, "{entry:?}");
            }
        }
    }

    #[test]
    fn stored_expiry_is_used_within_a_second() {
        let mut entry = view("192.0.2.1", Scope::All, 2_000_001_000);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_000));
        entry.stored_expiry_ms = Some(1_002_003);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_003));
        entry.stored_expiry_ms = Some(9_002_003);
        assert_eq!(entry.expires_ms(NOW), Some(1_002_000));
        assert_eq!(view("192.0.2.1", Scope::All, 0).expires_ms(NOW), None);
    }
}
