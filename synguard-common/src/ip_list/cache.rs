//! A CPU's short memory of the addresses it has just found in one of the operator's lists, like [`crate::hold_cache`] for
//! sources in hold. Pure; each CPU has its own, so nothing here is shared.
//!
//! Between two ticks of the clock no entry ends, and every change of the lists gives them another version. So while
//! both stand still, what was found once holds, and the lists need not be searched again. The packets decided so are
//! added to the entry's hits when another finding takes the slot.

use crate::{
    addr::Halves,
    ip_list::{List, Prefix},
};

/// Slots, a power of two. An address has one; one whose slot is taken is looked up in the lists instead.
pub const SLOTS: usize = 64;

/// What was found for one address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCacheSlot {
    /// Which address, in packets of what kind, and when.
    pub lookup: ListLookup,
    /// The entry that decided.
    pub key: Prefix,
    /// Packets it decided lookup that its hits do not count yet.
    pub pending: u64,
    /// Its list, as [`List`] is numbered.
    pub list: u64,
}

/// What a finding is lookup. Another version, tick or kind of packet is another matter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListLookup {
    /// The packet's source.
    pub address: Halves,
    /// What else the lists distinguish; never 0 once something was found.
    pub kind: u64,
    /// [`crate::ip_list::IpLists::version`].
    pub version: u64,
    /// The tick of the clock.
    pub tick: u64,
}

/// The slots of a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCache {
    /// By [`index`].
    pub slots: [ListCacheSlot; SLOTS],
}

impl Default for ListCache {
    fn default() -> Self {
        Self { slots: [ListCacheSlot::default(); SLOTS] }
    }
}

/// The slot of an address. Whoever chooses addresses that share one gains nothing but that they are looked up.
#[inline(always)]
pub const fn index(address: Halves) -> usize {
    let folded = address[0] ^ address[1];
    ((folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) & (SLOTS as u64 - 1)) as usize
}

impl ListLookup {
    #[inline(always)]
    const fn is(&self, other: &Self) -> bool {
        self.address[0] == other.address[0]
            && self.address[1] == other.address[1]
            && self.kind == other.kind
            && self.version == other.version
            && self.tick == other.tick
    }
}

impl ListCacheSlot {
    /// The list that was found to decide, if this is what was found; the packet is counted here.
    #[inline(always)]
    pub const fn hit(&mut self, lookup: &ListLookup) -> Option<List> {
        if self.lookup.kind == 0 || !self.lookup.is(lookup) {
            return None;
        }
        self.pending += 1;
        Some(if self.list == List::Allow as u64 { List::Allow } else { List::Block })
    }

    /// Remembers a finding, unless the slot serves another address in this tick. Returns what was there before, if its
    /// entry does not count all its hits yet.
    #[inline(always)]
    pub const fn insert(&mut self, lookup: &ListLookup, list: List, key: &Prefix) -> Option<Self> {
        if self.lookup.tick == lookup.tick && self.lookup.version == lookup.version {
            return None;
        }
        let before = *self;
        *self = Self { lookup: *lookup, key: *key, pending: 0, list: list as u64 };
        if before.pending == 0 { None } else { Some(before) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn lookup(number: u64, version: u64, tick: u64) -> ListLookup {
        ListLookup { address: [0, number], kind: 1, version, tick }
    }

    #[test]
    fn only_the_same_matter_repeats() {
        let mut slot = ListCacheSlot::default();
        assert_eq!(slot.hit(&ListLookup::default()), None, "nothing was found yet");
        let (key, found) = (Prefix::new([0, 7], 128), lookup(7, 5, 9));
        assert_eq!(slot.insert(&found, List::Block, &key), None);
        assert_eq!(slot.hit(&found), Some(List::Block));
        for other in [
            lookup(8, 5, 9),
            lookup(7, 6, 9),
            lookup(7, 5, 10),
            ListLookup { kind: 2, ..found },
            ListLookup { address: [1, 7], ..found },
        ] {
            assert_eq!(slot.hit(&other), None, "{other:?}");
        }
        let before = slot.insert(&lookup(8, 5, 10), List::Allow, &Prefix::default());
        assert_eq!(before.map(|slot| (slot.key, slot.pending)), Some((key, 1)));
        assert_eq!(slot.hit(&lookup(8, 5, 10)), Some(List::Allow));
    }

    proptest! {
        /// Whatever addresses share a slot, every packet is counted for its entry, once, and decided as it should be.
        #[test]
        fn no_hit_is_lost(packets in prop::collection::vec((0u64..4, 0u64..2, 0u64..2), 1..300)) {
            let mut slot = ListCacheSlot::default();
            let mut entries: HashMap<u64, u64> = HashMap::new();
            let mut truth: HashMap<u64, u64> = HashMap::new();
            let (mut version, mut tick) = (1, 1);
            for (number, changes, ticks) in packets {
                (version, tick) = (version + changes, tick + ticks);
                *truth.entry(number).or_default() += 1;
                let lookup = lookup(number, version, tick);
                // Even ones are blocked, odd ones allowed.
                let list = if number % 2 == 0 { List::Block } else { List::Allow };
                if let Some(found) = slot.hit(&lookup) {
                    prop_assert_eq!(found, list);
                    continue;
                }
                *entries.entry(number).or_default() += 1;
                if let Some(before) = slot.insert(&lookup, list, &Prefix::new([0, number], 128)) {
                    *entries.entry(before.key.address[1]).or_default() += before.pending;
                }
            }
            *entries.entry(slot.key.address[1]).or_default() += slot.pending;
            entries.retain(|_, hits| *hits != 0);
            prop_assert_eq!(entries, truth);
        }

        #[test]
        fn slots_exist(address: [u64; 2]) {
            prop_assert!(index(address) < SLOTS);
        }
    }
}
