//! Merges overlapping and adjacent prefixes, so that fewer entries have the same effect. Pure.

use std::{collections::HashMap, num::NonZeroU64};

use ipnet::IpNet;
use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
};

/// Properties in which entries must agree to be merged: scope, origin, reason and expiry.
type MergeKey = (Scope, Origin, Option<EntryReason>, Option<NonZeroU64>);

/// Entries with the same key.
struct MergeGroup {
    key: MergeKey,
    created_ms: u64,
    /// Prefixes before the merge, sorted.
    before: Vec<IpNet>,
}

/// Merges the targets of entries that agree in expiry, reason, scope and origin; the time of creation may differ.
/// Entries that differ are kept apart, so no entry lasts longer or covers more than before. No target may occur twice
/// in `entries`. The result is sorted, and no target occurs twice in it.
pub fn aggregate(entries: Vec<Entry>) -> Vec<Entry> {
    let groups = group(entries);
    let mut merged: Vec<(IpNet, usize)> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        merged.extend(IpNet::aggregate(&group.before).into_iter().map(|net| (net, index)));
    }
    merged.sort_unstable();
    while let Some(at) = merged.windows(2).position(|pair| pair[0].0 == pair[1].0) {
        split(&groups, &mut merged, at);
        merged.sort_unstable();
    }
    let entry = |(net, index): (IpNet, usize)| {
        let MergeGroup { key: (scope, origin, ref reason, expires_ms), created_ms, .. } = groups[index];
        Entry { target: Target::from(net), scope, origin, reason: reason.clone(), created_ms, expires_ms }
    };
    merged.into_iter().map(entry).collect()
}

fn group(entries: Vec<Entry>) -> Vec<MergeGroup> {
    let mut groups: HashMap<MergeKey, (u64, Vec<IpNet>)> = HashMap::new();
    for Entry { target, scope, origin, reason, created_ms, expires_ms } in entries {
        let (latest, nets) = groups.entry((scope, origin, reason, expires_ms)).or_default();
        *latest = created_ms.max(*latest);
        nets.push(target.net());
    }
    let group = |(key, (created_ms, mut before)): (_, (_, Vec<IpNet>))| {
        before.sort_unstable();
        MergeGroup { key, created_ms, before }
    };
    groups.into_iter().map(group).collect()
}

/// Resolves the conflict of two groups that have the same prefix at `at`; a list can hold a prefix once. At most one of
/// the groups had the prefix before the merge. The other one got it by merging the two halves, which are restored.
fn split(groups: &[MergeGroup], merged: &mut Vec<(IpNet, usize)>, at: usize) {
    let had_it = |&(net, index): &(IpNet, usize)| groups[index].before.binary_search(&net).is_ok();
    let at = if had_it(&merged[at]) { at + 1 } else { at };
    let (net, index) = merged.swap_remove(at);
    // A longer prefix always exists here, because this one was merged from its halves or from parts of them.
    let halves = net.subnets(net.prefix_len() + 1);
    merged.extend(halves.into_iter().flatten().map(|half| (half, index)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::file::{ImportDefaults, read, sort};

    fn list(text: &str) -> Vec<Entry> {
        let now = synguard_model::time::Now { wall_ms: 1_000_000, monotonic_ns: 0 };
        let defaults =
            ImportDefaults { now, ttl: None, reason: None, scope: Scope::All, origin: Origin::Feed };
        read(text.replace(", ", "\n").as_bytes(), &defaults, |_| None, |_| {}).expect(text).0
    }

    #[test]
    fn only_entries_with_equal_keys_are_merged() {
        for (before, after) in [
            ("10.0.0.0/25, 10.0.0.128/25", "10.0.0.0/24"),
            ("10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3", "10.0.0.0/30"),
            ("10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.2"),
            ("10.0.0.0/8, 10.1.0.0/16, 10.1.2.3", "10.0.0.0/8"),
            ("0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1", "0.0.0.0/0, ::/0"),
            ("::/0, 1.2.3.4", "1.2.3.4, ::/0"),
            ("10.0.0.0/25 ttl=1h, 10.0.0.128/25 ttl=1h", "10.0.0.0/24 ttl=1h"),
            ("10.0.0.0/25 ttl=1h, 10.0.0.128/25 ttl=2h", "10.0.0.0/25 ttl=1h, 10.0.0.128/25 ttl=2h"),
            ("10.0.0.0/25 reason=a, 10.0.0.128/25", "10.0.0.0/25 reason=a, 10.0.0.128/25"),
            ("10.0.0.0/25 scope=syn, 10.0.0.128/25", "10.0.0.0/25 scope=syn, 10.0.0.128/25"),
            // The shorter-lived prefix must not replace the two halves, nor the halves the prefix.
            (
                "10.0.0.0/24 ttl=1h, 10.0.0.0/25, 10.0.0.128/25",
                "10.0.0.0/24 ttl=1h, 10.0.0.0/25, 10.0.0.128/25",
            ),
        ] {
            assert_eq!(aggregate(list(before)), list(after), "{before}");
        }
    }

    /// Generates small prefixes in 10.0.0.0/27, so that many overlap.
    fn any_list() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (0u8..32, 27u8..=32, 0u64..3).prop_map(|(bits, length, ttl)| {
            let text = format!("10.0.0.{bits}/{length}");
            let mut entry = list(&text).remove(0);
            entry.expires_ms = NonZeroU64::new(ttl);
            entry
        });
        proptest::collection::vec(entry, 0..24).prop_map(|mut entries| {
            sort(&mut entries);
            entries
        })
    }

    proptest! {
        #[test]
        fn each_key_covers_the_same_addresses(before in any_list()) {
            let after = aggregate(before.clone());
            prop_assert!(after.len() <= before.len());
            prop_assert!(after.is_sorted_by(|a, b| a.target < b.target));
            for bits in 0..32u8 {
                let address = Target::from(std::net::Ipv4Addr::new(10, 0, 0, bits));
                for kind in 0..3 {
                    let covers = |list: &[Entry]| {
                        list.iter().any(|e| e.expires_ms == NonZeroU64::new(kind) && e.target.covers(address))
                    };
                    prop_assert_eq!(covers(&after), covers(&before), "{} {}", address, kind);
                }
            }
        }

        #[test]
        fn entries_with_one_key_are_merged_completely(before in any_list()) {
            let before: Vec<Entry> = before.into_iter().filter(|entry| entry.expires_ms.is_none()).collect();
            let after = aggregate(before);
            for pair in after.windows(2) {
                let (a, b) = (pair[0].target, pair[1].target);
                prop_assert!(!a.covers(b));
                let parents = (a.covering().nth(1), b.covering().nth(1));
                let siblings = a.net().prefix_len() == b.net().prefix_len() && parents.0 == parents.1;
                prop_assert!(!siblings, "{} {}", a, b);
            }
        }
    }
}
