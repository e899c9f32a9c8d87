//! Which listeners a CPU has lately looked up, so that their SYNs need no lookup each. Pure; each CPU has its own, so
//! nothing here is shared.
//!
//! Only what was found to listen is remembered, never what was not: forged SYNs to ports and addresses at random put
//! nothing in here, and cost the lookup that they would cost without it.

use crate::{hash, prefix::Halves};

/// Pairs of places, a power of two.
pub const PAIRS: usize = 512;

/// A listener as a SYN sees it. A wildcard listener is one for each address that SYNs come to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listener {
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
pub struct Remembered {
    /// Who.
    pub listener: Listener,
    /// When it was looked up, in nanoseconds; 0: nothing is remembered.
    pub at_ns: u64,
}

/// The two places that a listener may have.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerPair {
    /// The places.
    pub places: [Remembered; 2],
}

impl Listener {
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
    pub const fn knows(&self, listener: &Listener, fresh_ns: u64, now_ns: u64) -> bool {
        let [first, second] = &self.places;
        first.holds(listener, fresh_ns, now_ns) || second.holds(listener, fresh_ns, now_ns)
    }

    /// Remembers that a listener was looked up, in its own place or else in the one that was filled earlier.
    #[inline(always)]
    pub const fn remember(&mut self, listener: &Listener, now_ns: u64) {
        let [first, second] = &self.places;
        let own = first.listener.is(listener);
        let place = if own || !second.listener.is(listener) && first.at_ns <= second.at_ns { 0 } else { 1 };
        self.places[place] = Remembered { listener: *listener, at_ns: now_ns };
    }
}

impl Remembered {
    #[inline(always)]
    const fn holds(&self, listener: &Listener, fresh_ns: u64, now_ns: u64) -> bool {
        self.at_ns != 0 && now_ns.wrapping_sub(self.at_ns) < fresh_ns && self.listener.is(listener)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn listener(number: u32) -> Listener {
        Listener { address: [0, u64::from(number % 3)], port: number, interface: 2 }
    }

    #[test]
    fn it_is_known_for_as_long_as_it_is_fresh_and_no_longer() {
        let mut pair = ListenerPair::default();
        assert!(!pair.knows(&Listener::default(), 100, 50), "nothing is known at first");
        pair.remember(&listener(1), 1000);
        assert!(pair.knows(&listener(1), 100, 1000) && pair.knows(&listener(1), 100, 1099));
        assert!(!pair.knows(&listener(1), 100, 1100));
        assert!(!pair.knows(&listener(1), 0, 1000));
        assert!(!pair.knows(&listener(1), 100, 999), "a clock that began anew");
        for other in [
            Listener { port: 2, ..listener(1) },
            Listener { interface: 3, ..listener(1) },
            Listener { address: [0, 9], ..listener(1) },
            Listener { address: [9, 1], ..listener(1) },
        ] {
            assert!(!pair.knows(&other, 100, 1000), "{other:?}");
        }
    }

    #[test]
    fn two_that_share_a_pair_do_not_drive_each_other_out() {
        let mut pair = ListenerPair::default();
        for now in 1..50 {
            pair.remember(&listener(now as u32 % 2), now);
            assert!(
                now == 1 || pair.knows(&listener(0), 100, now) && pair.knows(&listener(1), 100, now),
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
                if pair.knows(&listener, 100, now) {
                    let at = truth.get(&number).copied();
                    prop_assert!(at.is_some_and(|at| now - at < 100), "{:?} at {}", at, now);
                }
                if look_up {
                    truth.insert(number, now);
                    pair.remember(&listener, now);
                    prop_assert!(pair.knows(&listener, 100, now));
                }
            }
        }

        #[test]
        fn pairs_exist(address: [u64; 2], port: u32, interface: u32, seed: [u64; 2]) {
            let listener = Listener { address, port, interface };
            prop_assert!(listener.index(seed) < PAIRS);
        }
    }
}
