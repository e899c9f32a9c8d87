//! A CPU's cache of the sources in hold. Pure; each CPU has its own, so nothing here is shared.
//!
//! A source in hold sends many SYNs within one tick of the clock, and between two readings of the clock its hold cannot
//! end. A lookup in the table of sources is most of the cost of such a SYN, so one per tick must suffice: the cache drops
//! the following SYNs of the same tick. They are *pending* until the next lookup of the source's entry, or until another
//! source takes the slot, and are then added to the entry.

use crate::source::SourceKey;

/// Number of slots, a power of two. The hash of a source selects its only slot; if another source has it, the program
/// looks up the table instead.
pub const SLOTS: usize = 64;

/// The slot of one source.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldSlot {
    /// The source; without meaning while `at_ns` is 0.
    pub source: SourceKey,
    /// Clock reading of the lookup that found the source in hold, in nanoseconds.
    pub at_ns: u64,
    /// SYNs dropped since then that the source's entry does not include yet.
    pub pending: u64,
}

/// The cache of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldCache {
    /// Slots by [`index`].
    pub slots: [HoldSlot; SLOTS],
}

impl Default for HoldCache {
    fn default() -> Self {
        Self { slots: [HoldSlot::default(); SLOTS] }
    }
}

/// Returns the slot of a source with this hash.
#[inline(always)]
pub const fn index(hash: u64) -> usize {
    // Bits that neither the sketch (the low half) nor HyperLogLog (the high end) uses.
    (hash >> 40) as usize & (SLOTS - 1)
}

impl HoldSlot {
    /// Reports whether the slot has this source from the same clock reading. If so, the caller drops the SYN, which becomes
    /// pending.
    #[inline(always)]
    pub const fn hit(&mut self, source: &SourceKey, now_ns: u64) -> bool {
        let hit = self.at_ns == now_ns && self.is_of(source);
        if hit {
            self.pending += 1;
        }
        hit
    }

    /// Takes the pending SYNs of this source, which the caller adds to its entry.
    #[inline(always)]
    pub const fn take_pending(&mut self, source: &SourceKey) -> u64 {
        if self.pending == 0 || !self.is_of(source) {
            return 0;
        }
        let pending = self.pending;
        self.pending = 0;
        pending
    }

    /// Makes SYNs from [`Self::take_pending`] pending again, if the caller could not add them to the entry.
    #[inline(always)]
    pub const fn restore(&mut self, source: &SourceKey, pending: u64) {
        if self.is_of(source) {
            self.pending += pending;
        }
    }

    /// Inserts a source in hold, unless the slot belongs to another one in this tick. Returns the former content of the slot
    /// if it has pending SYNs.
    #[inline(always)]
    pub const fn insert(&mut self, source: &SourceKey, now_ns: u64) -> Option<Self> {
        if self.at_ns == now_ns {
            return None;
        }
        let before = *self;
        *self = Self { source: *source, at_ns: now_ns, pending: 0 };
        if before.pending == 0 { None } else { Some(before) }
    }

    const fn is_of(&self, source: &SourceKey) -> bool {
        self.source.address.equals(&source.address)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::addr::Addr;

    fn source(number: u64) -> SourceKey {
        SourceKey { address: Addr([0, number]) }
    }

    #[test]
    fn hit_needs_the_same_source_in_the_same_tick() {
        let mut slot = HoldSlot::default();
        assert!(!slot.hit(&source(1), 10), "the slot is empty");
        assert_eq!(slot.insert(&source(1), 10), None);
        assert!(slot.hit(&source(1), 10));
        assert!(!slot.hit(&source(2), 10), "another source");
        assert!(!slot.hit(&source(1), 11), "another tick: its hold may be over");
        assert_eq!((slot.take_pending(&source(2)), slot.take_pending(&source(1))), (0, 1));
    }

    #[test]
    fn slot_keeps_its_source_within_a_tick() {
        let mut slot = HoldSlot::default();
        assert_eq!(slot.insert(&source(1), 10), None);
        assert_eq!(slot.insert(&source(2), 10), None);
        assert!(slot.hit(&source(1), 10));
        let before = slot.insert(&source(2), 11).expect("source 1 has a pending SYN");
        assert_eq!((before.source, before.pending), (source(1), 1));
        assert!(slot.hit(&source(2), 11));
    }

    proptest! {
        /// Every dropped SYN is counted for its source exactly once, whatever sources share a slot, and even if a source is
        /// not looked up for a while.
        #[test]
        fn no_syn_is_lost(syns in prop::collection::vec((0u64..4, 0u64..2, any::<bool>()), 1..300)) {
            let mut slot = HoldSlot::default();
            let mut entries: HashMap<SourceKey, u64> = HashMap::new();
            let mut truth: HashMap<SourceKey, u64> = HashMap::new();
            let mut now = 1;
            for (number, ticks, looked_up) in syns {
                now += ticks;
                let source = source(number);
                if slot.hit(&source, now) {
                    *truth.entry(source).or_default() += 1;
                    continue;
                }
                let pending = slot.take_pending(&source);
                if !looked_up {
                    slot.restore(&source, pending);
                    continue;
                }
                *truth.entry(source).or_default() += 1;
                *entries.entry(source).or_default() += 1 + pending;
                if let Some(before) = slot.insert(&source, now) {
                    *entries.entry(before.source).or_default() += before.pending;
                }
            }
            *entries.entry(slot.source).or_default() += slot.pending;
            entries.retain(|_, syns| *syns != 0);
            prop_assert_eq!(entries, truth);
        }
    }
}
