//! A CPU's cache of listeners that it has looked up recently, so that their next SYNs need no lookup. Pure; each CPU has its
//! own, so nothing here is shared.
//!
//! The cache holds only listeners that were found, never misses: forged SYNs to random ports and addresses add nothing to
//! it, and cost the lookup that they would cost without it.

use crate::{
    addr::{Addr, HashSeed},
    hash,
};

/// Number of pairs of slots, a power of two.
pub const PAIRS: usize = 512;

/// A listener as the destination of a SYN. A wildcard listener has one key for each address to which SYNs arrive.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerKey {
    /// Destination address of the SYN, IPv4 in IPv4-mapped form.
    pub address: Addr,
    /// Destination port of the SYN.
    pub port: u32,
    /// Index of the ingress interface: a socket may be bound to an interface.
    pub interface: u32,
}

/// A listener and the time of its lookup.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedListener {
    pub listener: ListenerKey,
    /// Time of the lookup, in nanoseconds; 0: the slot is empty.
    pub at_ns: u64,
}

/// The two possible slots of a listener.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerPair {
    pub slots: [CachedListener; 2],
}

impl ListenerKey {
    /// Returns the index of the listener's pair.
    #[inline(always)]
    pub const fn index(&self, seed: HashSeed) -> usize {
        let end = (self.port as u64) << 32 | self.interface as u64;
        hash::mix([self.address.0[0], self.address.0[1] ^ end], seed) as usize & (PAIRS - 1)
    }

    #[inline(always)]
    const fn is(&self, other: &Self) -> bool {
        self.address.equals(&other.address) && self.port == other.port && self.interface == other.interface
    }
}

impl ListenerPair {
    /// Reports whether the listener was looked up less than `fresh_ns` ago.
    #[inline(always)]
    pub const fn hit(&self, listener: &ListenerKey, fresh_ns: u64, now_ns: u64) -> bool {
        let [first, second] = &self.slots;
        first.is_fresh(listener, fresh_ns, now_ns) || second.is_fresh(listener, fresh_ns, now_ns)
    }

    /// Records a lookup: in the listener's own slot, or else in the one with the earlier lookup.
    #[inline(always)]
    pub const fn insert(&mut self, listener: &ListenerKey, now_ns: u64) {
        let [first, second] = &self.slots;
        let own = first.listener.is(listener);
        let slot = if own || !second.listener.is(listener) && first.at_ns <= second.at_ns { 0 } else { 1 };
        self.slots[slot] = CachedListener { listener: *listener, at_ns: now_ns };
    }
}

impl CachedListener {
    #[inline(always)]
    const fn is_fresh(&self, listener: &ListenerKey, fresh_ns: u64, now_ns: u64) -> bool {
        self.at_ns != 0 && now_ns.wrapping_sub(self.at_ns) < fresh_ns && self.listener.is(listener)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn listener(number: u32) -> ListenerKey {
        ListenerKey { address: Addr([0, u64::from(number % 3)]), port: number, interface: 2 }
    }

    #[test]
    fn listener_is_hit_only_while_fresh() {
        let mut pair = ListenerPair::default();
        assert!(!pair.hit(&ListenerKey::default(), 100, 50), "the cache is empty");
        pair.insert(&listener(1), 1000);
        assert!(pair.hit(&listener(1), 100, 1000) && pair.hit(&listener(1), 100, 1099));
        assert!(!pair.hit(&listener(1), 100, 1100));
        assert!(!pair.hit(&listener(1), 0, 1000));
        assert!(!pair.hit(&listener(1), 100, 999), "the clock restarted");
        for other in [
            ListenerKey { port: 2, ..listener(1) },
            ListenerKey { interface: 3, ..listener(1) },
            ListenerKey { address: Addr([0, 9]), ..listener(1) },
            ListenerKey { address: Addr([9, 1]), ..listener(1) },
        ] {
            assert!(!pair.hit(&other, 100, 1000), "{other:?}");
        }
    }

    #[test]
    fn listeners_of_one_pair_do_not_evict_each_other() {
        let mut pair = ListenerPair::default();
        for now in 1..50 {
            pair.insert(&listener(now as u32 % 2), now);
            assert!(
                now == 1 || pair.hit(&listener(0), 100, now) && pair.hit(&listener(1), 100, now),
                "{now}"
            );
        }
    }

    proptest! {
        /// Every hit is for a listener that was looked up recently.
        #[test]
        fn hits_follow_recent_lookups(steps in prop::collection::vec((0u32..6, 0u64..40, any::<bool>()), 1..200)) {
            let mut pair = ListenerPair::default();
            let mut truth = HashMap::new();
            let mut now = 1;
            for (number, passed, look_up) in steps {
                now += passed;
                let listener = listener(number);
                if pair.hit(&listener, 100, now) {
                    let at = truth.get(&number).copied();
                    prop_assert!(at.is_some_and(|at| now - at < 100), "{:?} at {}", at, now);
                }
                if look_up {
                    truth.insert(number, now);
                    pair.insert(&listener, now);
                    prop_assert!(pair.hit(&listener, 100, now));
                }
            }
        }

        #[test]
        fn every_listener_has_a_pair(address: [u64; 2], port: u32, interface: u32, seed: [u64; 2]) {
            let listener = ListenerKey { address: Addr(address), port, interface };
            prop_assert!(listener.index(HashSeed(seed)) < PAIRS);
        }
    }
}
