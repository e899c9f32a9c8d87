//! Which listeners a CPU has lately looked up, so that their SYNs need no lookup each. Pure; each CPU has its own, so
//! nothing here is shared.
//!
//! Only what was found to listen is remembered, never what was not: forged SYNs to ports and addresses at random put
//! nothing in here, and cost the lookup that they would cost without it.

use crate::{addr::Halves, hash};

/// Pairs of places, a power of two.
pub const PAIRS: usize = 512;

/// A listener as a SYN sees it. A wildcard listener is one for each address that SYNs come to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerKey {
    /// The SYN's destination address, IPv4 in mapped form.
    pub address: Halves,
    /// Its destination port.
    pub port: u32,
    /// The index of the interface that it came in by: a socket may be bound to one.
    pub interface: u32,
}

/// A listener and until when it is taken to be there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedListener {
    /// Who.
    pub listener: ListenerKey,
    /// When it was looked up, in nanoseconds; 0: nothing is remembered.
    pub at_ns: u64,
}

/// The two places that a listener may have.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerPair {
    /// The places.
    pub places: [CachedListener; 2],
}

impl ListenerKey {
    /// The pair that it belongs to.
    #[inline(always)]
    pub const fn index(&self, seed: Halves) -> usize {
        let end = (self.port as u64) << 32 | self.interface as u64;
        hash::mix([self.address[0], self.address[1] ^ end], seed) as usize & (PAIRS - 1)
    }

    #[inline(always)]
    const fn is(&self, other: &Self) -> bool {
        self.address[0] == other.address[0]
            && self.address[1] == other.address[1]
            && self.port == other.port
            && self.interface == other.interface
    }
}

impl ListenerPair {
    /// Whether the listener was looked up no more than `fresh_ns` ago.
    #[inline(always)]
    pub const fn hit(&self, listener: &ListenerKey, fresh_ns: u64, now_ns: u64) -> bool {
        let [first, second] = &self.places;
        first.holds(listener, fresh_ns, now_ns) || second.holds(listener, fresh_ns, now_ns)
    }

    /// Remembers that a listener was looked up, in its own place or else in the one that was filled earlier.
    #[inline(always)]
    pub const fn insert(&mut self, listener: &ListenerKey, now_ns: u64) {
        let [first, second] = &self.places;
        let own = first.listener.is(listener);
        let place = if own || !second.listener.is(listener) && first.at_ns <= second.at_ns { 0 } else { 1 };
        self.places[place] = CachedListener { listener: *listener, at_ns: now_ns };
    }
}

impl CachedListener {
    #[inline(always)]
    const fn holds(&self, listener: &ListenerKey, fresh_ns: u64, now_ns: u64) -> bool {
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
        ListenerKey { address: [0, u64::from(number % 3)], port: number, interface: 2 }
    }

    #[test]
    fn it_is_known_for_as_long_as_it_is_fresh_and_no_longer() {
        let mut pair = ListenerPair::default();
        assert!(!pair.hit(&ListenerKey::default(), 100, 50), "nothing is known at first");
        pair.insert(&listener(1), 1000);
        assert!(pair.hit(&listener(1), 100, 1000) && pair.hit(&listener(1), 100, 1099));
        assert!(!pair.hit(&listener(1), 100, 1100));
        assert!(!pair.hit(&listener(1), 0, 1000));
        assert!(!pair.hit(&listener(1), 100, 999), "a clock that began anew");
        for other in [
            ListenerKey { port: 2, ..listener(1) },
            ListenerKey { interface: 3, ..listener(1) },
            ListenerKey { address: [0, 9], ..listener(1) },
            ListenerKey { address: [9, 1], ..listener(1) },
        ] {
            assert!(!pair.hit(&other, 100, 1000), "{other:?}");
        }
    }

    #[test]
    fn two_that_share_a_pair_do_not_drive_each_other_out() {
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
        /// Nothing is ever known that was not looked up, or not lately.
        #[test]
        fn what_is_known_was_looked_up(steps in prop::collection::vec((0u32..6, 0u64..40, any::<bool>()), 1..200)) {
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
        fn pairs_exist(address: [u64; 2], port: u32, interface: u32, seed: [u64; 2]) {
            let listener = ListenerKey { address, port, interface };
            prop_assert!(listener.index(seed) < PAIRS);
        }
    }
}
