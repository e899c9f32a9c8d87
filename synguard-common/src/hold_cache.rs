//! A CPU's short memory of the sources it has just found in hold. Pure; each CPU has its own, so nothing here is
//! shared.
//!
//! A source in hold sends many SYNs within one tick of the clock, and between two readings of the clock nothing
//! can end its hold. So the table of sources, whose lookup is most of what such a SYN costs, need be asked only
//! once a tick: what follows in the same tick is dropped from here. The SYNs dropped so are written to the
//! source's entry when it is next looked up, or when another source takes its slot.

use crate::source::SourceKey;

/// Slots, a power of two. A source has one, chosen by its hash; one whose slot is taken is looked up instead.
pub const SLOTS: usize = 64;

/// One source.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldSlot {
    /// Who; meaningless while `at_ns` is 0.
    pub source: SourceKey,
    /// The reading of the clock at which it was last found in hold, in nanoseconds.
    pub at_ns: u64,
    /// SYNs dropped since that its entry does not count yet.
    pub pending: u64,
}

/// The slots of a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldCache {
    /// By [`index`].
    pub slots: [HoldSlot; SLOTS],
}

impl Default for HoldCache {
    fn default() -> Self {
        Self { slots: [HoldSlot::default(); SLOTS] }
    }
}

/// The slot of a source with this hash.
#[inline(always)]
pub const fn index(hash: u64) -> usize {
    // The sketch takes the hash's low half and the distinct count its other end: these bits serve neither.
    (hash >> 40) as usize & (SLOTS - 1)
}

impl HoldSlot {
    /// Whether a source was found in hold at this very reading of the clock; if so, its SYN is dropped, and
    /// counted here.
    #[inline(always)]
    pub const fn hit(&mut self, source: &SourceKey, now_ns: u64) -> bool {
        let hit = self.at_ns == now_ns && self.is_of(source);
        if hit {
            self.pending += 1;
        }
        hit
    }

    /// The SYNs that the entry of this source does not count yet, which the caller will add to it.
    #[inline(always)]
    pub const fn take_pending(&mut self, source: &SourceKey) -> u64 {
        if self.pending == 0 || !self.is_of(source) {
            return 0;
        }
        let pending = self.pending;
        self.pending = 0;
        pending
    }

    /// Takes back what [`Self::take_pending`] gave out, if it could not be added to the entry.
    #[inline(always)]
    pub const fn restore(&mut self, source: &SourceKey, pending: u64) {
        if self.is_of(source) {
            self.pending += pending;
        }
    }

    /// Remembers that a source was found in hold, unless the slot serves another one in this tick. Returns who
    /// had the slot before and has SYNs that its entry does not count yet.
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
        self.source.address[0] == source.address[0] && self.source.address[1] == source.address[1]
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn source(number: u64) -> SourceKey {
        SourceKey { address: [0, number] }
    }

    #[test]
    fn only_the_same_source_in_the_same_tick_repeats() {
        let mut slot = HoldSlot::default();
        assert!(!slot.hit(&source(1), 10), "nobody is remembered yet");
        assert_eq!(slot.insert(&source(1), 10), None);
        assert!(slot.hit(&source(1), 10));
        assert!(!slot.hit(&source(2), 10), "another source");
        assert!(!slot.hit(&source(1), 11), "another tick: its hold may be over");
        assert_eq!((slot.take_pending(&source(2)), slot.take_pending(&source(1))), (0, 1));
    }

    #[test]
    fn a_slot_in_use_is_not_fought_over() {
        let mut slot = HoldSlot::default();
        assert_eq!(slot.insert(&source(1), 10), None);
        assert_eq!(slot.insert(&source(2), 10), None);
        assert!(slot.hit(&source(1), 10));
        let before = slot.insert(&source(2), 11).expect("source 1 has a SYN left to count");
        assert_eq!((before.source, before.pending), (source(1), 1));
        assert!(slot.hit(&source(2), 11));
    }

    proptest! {
        /// Whatever sources share a slot, and whoever is not looked up for a while, every SYN that was dropped is
        /// counted for its source, once.
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
