//! A CPU's short memory of the addresses it has just found in one of the operator's lists, like [`crate::held`] for
//! sources in hold. Pure; each CPU has its own, so nothing here is shared.
//!
//! Between two ticks of the clock no entry ends, and every change of the lists gives them another version. So while
//! both stand still, what was found once holds, and the lists need not be searched again. The packets decided so are
//! added to the entry's hits when another finding takes the slot.

use crate::{
    list::{List, ListKey},
    prefix::Halves,
};

/// Slots, a power of two. An address has one; one whose slot is taken is looked up in the lists instead.
pub const SLOTS: usize = 64;

/// What was found for one address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListedSlot {
    /// Which address, in packets of what kind, and when.
    pub about: About,
    /// The entry that decided.
    pub key: ListKey,
    /// Packets it decided about that its hits do not count yet.
    pub uncounted: u64,
    /// Its list, as [`List`] is numbered.
    pub list: u64,
}

/// What a finding is about. Another version, tick or kind of packet is another matter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The packet's source.
    pub address: Halves,
    /// What else the lists distinguish; never 0 once something was found.
    pub kind: u64,
    /// [`crate::list::Lists::version`].
    pub version: u64,
    /// The tick of the clock.
    pub tick: u64,
}

/// The slots of a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// By [`index`].
    pub slots: [ListedSlot; SLOTS],
}

impl Default for Listed {
    fn default() -> Self {
        Self { slots: [ListedSlot::default(); SLOTS] }
    }
}

/// The slot of an address. Whoever chooses addresses that share one gains nothing but that they are looked up.
#[inline(always)]
pub const fn index(address: Halves) -> usize {
    let folded = address[0] ^ address[1];
    ((folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) & (SLOTS as u64 - 1)) as usize
}

impl About {
    #[inline(always)]
    const fn is(&self, other: &Self) -> bool {
        self.address[0] == other.address[0]
            && self.address[1] == other.address[1]
            && self.kind == other.kind
            && self.version == other.version
            && self.tick == other.tick
    }
}

impl ListedSlot {
    /// The list that was found to decide, if this is what was found; the packet is counted here.
    #[inline(always)]
    pub const fn repeats(&mut self, about: &About) -> Option<List> {
        if self.about.kind == 0 || !self.about.is(about) {
            return None;
        }
        self.uncounted += 1;
        Some(if self.list == List::Allow as u64 { List::Allow } else { List::Block })
    }

    /// Remembers a finding, unless the slot serves another address in this tick. Returns what was there before, if its
    /// entry does not count all its hits yet.
    #[inline(always)]
    pub const fn remember(&mut self, about: &About, list: List, key: &ListKey) -> Option<Self> {
        if self.about.tick == about.tick && self.about.version == about.version {
            return None;
        }
        let before = *self;
        *self = Self { about: *about, key: *key, uncounted: 0, list: list as u64 };
        if before.uncounted == 0 { None } else { Some(before) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn about(number: u64, version: u64, tick: u64) -> About {
        About { address: [0, number], kind: 1, version, tick }
    }

    #[test]
    fn only_the_same_matter_repeats() {
        let mut slot = ListedSlot::default();
        assert_eq!(slot.repeats(&About::default()), None, "nothing was found yet");
        let (key, found) = (ListKey::new([0, 7], 128), about(7, 5, 9));
        assert_eq!(slot.remember(&found, List::Block, &key), None);
        assert_eq!(slot.repeats(&found), Some(List::Block));
        for other in [
            about(8, 5, 9),
            about(7, 6, 9),
            about(7, 5, 10),
            About { kind: 2, ..found },
            About { address: [1, 7], ..found },
        ] {
            assert_eq!(slot.repeats(&other), None, "{other:?}");
        }
        let before = slot.remember(&about(8, 5, 10), List::Allow, &ListKey::default());
        assert_eq!(before.map(|slot| (slot.key, slot.uncounted)), Some((key, 1)));
        assert_eq!(slot.repeats(&about(8, 5, 10)), Some(List::Allow));
    }

    proptest! {
        /// Whatever addresses share a slot, every packet is counted for its entry, once, and decided as it should be.
        #[test]
        fn no_hit_is_lost(packets in prop::collection::vec((0u64..4, 0u64..2, 0u64..2), 1..300)) {
            let mut slot = ListedSlot::default();
            let mut entries: HashMap<u64, u64> = HashMap::new();
            let mut truth: HashMap<u64, u64> = HashMap::new();
            let (mut version, mut tick) = (1, 1);
            for (number, changes, ticks) in packets {
                (version, tick) = (version + changes, tick + ticks);
                *truth.entry(number).or_default() += 1;
                let about = about(number, version, tick);
                // Even ones are blocked, odd ones allowed.
                let list = if number % 2 == 0 { List::Block } else { List::Allow };
                if let Some(found) = slot.repeats(&about) {
                    prop_assert_eq!(found, list);
                    continue;
                }
                *entries.entry(number).or_default() += 1;
                if let Some(before) = slot.remember(&about, list, &ListKey::new([0, number], 128)) {
                    *entries.entry(before.key.address[1]).or_default() += before.uncounted;
                }
            }
            *entries.entry(slot.key.address[1]).or_default() += slot.uncounted;
            entries.retain(|_, hits| *hits != 0);
            prop_assert_eq!(entries, truth);
        }

        #[test]
        fn slots_exist(address: [u64; 2]) {
            prop_assert!(index(address) < SLOTS);
        }
    }
}
