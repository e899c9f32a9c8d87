//! A CPU's cache of list lookups that found an entry, like [`crate::hold_cache`] for sources in hold. Pure; each CPU has its
//! own, so nothing here is shared.
//!
//! Between two ticks of the clock no entry expires, and every change of the lists gives them a new version. While both stay
//! the same, an earlier result remains valid and needs no second lookup. The packets that the cache decides about are
//! *pending* until another result takes the slot, and are then added to the entry's hits.

use crate::{
    addr::Addr,
    ip_list::{List, Prefix},
};

/// Number of slots, a power of two. An address has one possible slot; if another address has it, the program looks up the
/// lists instead.
pub const SLOTS: usize = 64;

/// The cached result for one address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCacheSlot {
    pub lookup: ListLookup,
    /// Prefix of the entry that decided.
    pub key: Prefix,
    /// Packets that the slot decided about and that the entry's hits do not include yet.
    pub pending: u64,
    /// List of the entry, as the number of a [`List`].
    pub list: u64,
}

/// The parameters of a lookup. A cached result is valid only for equal parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListLookup {
    /// Source address of the packet.
    pub address: Addr,
    /// Kind of the packet, as far as the lists distinguish kinds; never 0 in a slot with a result.
    pub kind: u64,
    /// [`crate::ip_list::IpLists::version`].
    pub version: u64,
    /// Tick of the clock.
    pub tick: u64,
}

/// The cache of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCache {
    /// Slots by [`index`].
    pub slots: [ListCacheSlot; SLOTS],
}

impl Default for ListCache {
    fn default() -> Self {
        Self { slots: [ListCacheSlot::default(); SLOTS] }
    }
}

/// Returns the slot of an address. The hash has no seed: an attacker who chooses addresses that share a slot only causes
/// their lookups.
#[inline(always)]
pub const fn index(address: Addr) -> usize {
    let folded = address.0[0] ^ address.0[1];
    ((folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) & (SLOTS as u64 - 1)) as usize
}

impl ListLookup {
    #[inline(always)]
    const fn is(&self, other: &Self) -> bool {
        self.address.equals(&other.address)
            && self.kind == other.kind
            && self.version == other.version
            && self.tick == other.tick
    }
}

impl ListCacheSlot {
    /// Returns the list that decides, if the slot has the result of this lookup. The packet then becomes pending.
    #[inline(always)]
    pub const fn hit(&mut self, lookup: &ListLookup) -> Option<List> {
        if self.lookup.kind == 0 || !self.lookup.is(lookup) {
            return None;
        }
        self.pending += 1;
        Some(if self.list == List::Allow as u64 { List::Allow } else { List::Block })
    }

    /// Inserts a result, unless the slot belongs to another address in this tick. Returns the former content of the slot if
    /// it has pending packets.
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
        ListLookup { address: Addr([0, number]), kind: 1, version, tick }
    }

    #[test]
    fn hit_needs_an_equal_lookup() {
        let mut slot = ListCacheSlot::default();
        assert_eq!(slot.hit(&ListLookup::default()), None, "the slot is empty");
        let (key, found) = (Prefix::new(Addr([0, 7]), 128), lookup(7, 5, 9));
        assert_eq!(slot.insert(&found, List::Block, &key), None);
        assert_eq!(slot.hit(&found), Some(List::Block));
        for other in [
            lookup(8, 5, 9),
            lookup(7, 6, 9),
            lookup(7, 5, 10),
            ListLookup { kind: 2, ..found },
            ListLookup { address: Addr([1, 7]), ..found },
        ] {
            assert_eq!(slot.hit(&other), None, "{other:?}");
        }
        let before = slot.insert(&lookup(8, 5, 10), List::Allow, &Prefix::default());
        assert_eq!(before.map(|slot| (slot.key, slot.pending)), Some((key, 1)));
        assert_eq!(slot.hit(&lookup(8, 5, 10)), Some(List::Allow));
    }

    proptest! {
        /// Every packet is decided by its entry and counted for it exactly once, whatever addresses share a slot.
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
                if let Some(before) = slot.insert(&lookup, list, &Prefix::new(Addr([0, number]), 128)) {
                    *entries.entry(before.key.address.0[1]).or_default() += before.pending;
                }
            }
            *entries.entry(slot.key.address.0[1]).or_default() += slot.pending;
            entries.retain(|_, hits| *hits != 0);
            prop_assert_eq!(entries, truth);
        }

        #[test]
        fn every_address_has_a_slot(address: [u64; 2]) {
            prop_assert!(index(Addr(address)) < SLOTS);
        }
    }
}
