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
