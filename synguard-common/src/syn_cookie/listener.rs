//! The evidence that this host's kernel replies to SYNs for a listener, and back the way they came. XDP sends SYN cookies
//! for a listener only while the evidence is fresh. Pure.
//!
//! The XDP program passes a sample of the SYNs to the kernel and records each (see [`super::handshake`]). The egress
//! program sees the kernel's SYN-ACK leave and compares: a SYN-ACK that carries the very cookie that XDP would have sent,
//! and that leaves to the neighbour that the SYN came from, verifies the path. A closed or filtered port never shows a
//! SYN-ACK, a port that is redirected to another host or namespace never shows this host's cookie, and with asymmetric
//! routing (direct server return, for example) the SYN-ACK leaves to another neighbour.

use crate::{
    addr::{Addr, HashSeed},
    hash,
};

/// Time for which a verified path stays verified, in nanoseconds. The kernel gets ten SYNs a second as samples.
pub const VERIFIED_NS: u64 = 3_000_000_000;
/// Time for which one SYN-ACK that left another way, or that was not this host's own, ends XDP's cookies on its path.
pub const REFUTED_NS: u64 = 10_000_000_000;
/// Time for which a connection shows that XDP's SYN-ACKs arrive, in nanoseconds.
pub const PROVEN_NS: u64 = 30_000_000_000;
/// Time between two samples of one path and option class, in nanoseconds.
pub const SAMPLE_NS: u64 = 100_000_000;
/// Capacity of `PATHS`, in paths. The map evicts the least recently used: many neighbours can only lose their evidence.
pub const PATHS_MAX: u32 = 2_048;

/// A listener as reached from one neighbour through one interface: the destination of SYNs, and the way they came.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListenerPath {
    /// Destination address of the SYNs, IPv4 in IPv4-mapped form. A wildcard listener has a path for each address.
    pub address: Addr,
    /// Source MAC address of the SYNs in the low 48 bits, and their VLAN identifiers, see [`neighbour`].
    pub neighbour: u64,
    /// Index of the ingress interface.
    pub interface: u32,
    /// Destination port of the SYNs.
    pub port: u16,
    /// In a key of `TEMPLATES`, the [`class`](super::template::class) of the options that the SYNs offer; in one of `PATHS`, 0.
    pub class: u16,
}

/// The evidence about one path, and what became of the cookies that were sent on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathState {
    /// Time of the latest SYN-ACK of the kernel that verified the path, in nanoseconds; 0: none.
    pub verified_ns: u64,
    /// Time of the latest SYN-ACK that left to another neighbour; 0: none.
    pub elsewhere_ns: u64,
    /// Time of the latest SYN-ACK with a sequence number that is no cookie of this host; 0: none.
    pub foreign_ns: u64,
    /// Time until which userspace has suspended XDP's cookies on this path; 0: not suspended.
    pub suspended_until_ns: u64,
    /// Time of the latest connection that one of XDP's cookies led to; 0: none.
    pub proven_ns: u64,
    /// Cookies that the kernel sent in reply to samples.
    pub kernel: CookieFates,
    /// Cookies that XDP sent.
    pub xdp: CookieFates,
}

/// The numbers of cookies that were sent, that came back, and that led to a connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieFates {
    pub sent: u64,
    /// Distinct handshakes whose cookie came back in an ACK.
    pub returned: u64,
    /// Of these, the handshakes after which the kernel had a connection.
    pub accepted: u64,
}

impl ListenerPath {
    /// Returns the hash of the path.
    #[inline(always)]
    pub const fn hash(&self, seed: HashSeed) -> u64 {
        let end = (self.interface as u64) << 32 | (self.class as u64) << 16 | self.port as u64;
        let start = hash::mix([self.address.0[0], self.address.0[1]], seed);
        hash::mix([start ^ self.neighbour, end], seed)
    }

    /// Reports whether two paths are equal. Unlike `==` it has a single branch, which spares the verifier paths.
    #[inline(always)]
    pub const fn is(&self, other: &Self) -> bool {
        let difference = (self.address.0[0] ^ other.address.0[0])
            | (self.address.0[1] ^ other.address.0[1])
            | (self.neighbour ^ other.neighbour)
            | (self.interface ^ other.interface) as u64
            | (self.port ^ other.port) as u64
            | (self.class ^ other.class) as u64;
        difference == 0
    }

    /// Returns the path with this option class.
    #[inline(always)]
    pub const fn with_class(self, class: u16) -> Self {
        Self { class, ..self }
    }
}

/// Returns the neighbour of a frame: the low and high part of a MAC address as loaded from the frame, and the tag control
/// information of the outermost two VLAN tags, 0 where there is none. Priorities do not matter.
#[inline(always)]
pub const fn neighbour(mac_low: u32, mac_high: u16, outer: u16, inner: u16) -> u64 {
    const IDENTIFIER: u16 = 0xfff;
    let tags = (outer & IDENTIFIER) ^ (inner & IDENTIFIER).rotate_left(4);
    mac_low as u64 | (mac_high as u64) << 32 | (tags as u64) << 48
}

// Another CPU's reading of the clock may be a tick ahead: a time in the future counts as the present.
impl PathState {
    /// Reports whether XDP may send cookies on this path.
    #[inline(always)]
    pub const fn is_verified(&self, now_ns: u64) -> bool {
        self.verified_ns != 0
            && now_ns.saturating_sub(self.verified_ns) < VERIFIED_NS
            && !is_recent(self.elsewhere_ns, now_ns)
            && !is_recent(self.foreign_ns, now_ns)
            && now_ns >= self.suspended_until_ns
    }

    /// Reports whether no cookie of XDP's has led to a connection lately: perhaps its SYN-ACKs do not arrive.
    #[inline(always)]
    pub const fn is_unproven(&self, now_ns: u64) -> bool {
        self.proven_ns == 0 || now_ns.saturating_sub(self.proven_ns) >= PROVEN_NS
    }
}

#[inline(always)]
const fn is_recent(at_ns: u64, now_ns: u64) -> bool {
    at_ns != 0 && now_ns.saturating_sub(at_ns) < REFUTED_NS
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn path_is_verified_only_while_the_evidence_is_fresh() {
        let now = 100 * SECOND;
        let verified = PathState { verified_ns: now - SECOND, ..PathState::default() };
        assert!(!PathState::default().is_verified(now));
        assert!(verified.is_verified(now));
        assert!(!verified.is_verified(now + 2 * SECOND));
        for refuted in [
            PathState { elsewhere_ns: now - 9 * SECOND, ..verified },
            PathState { foreign_ns: now - 9 * SECOND, ..verified },
            PathState { suspended_until_ns: now + 1, ..verified },
        ] {
            assert!(!refuted.is_verified(now), "{refuted:?}");
        }
        assert!(PathState { verified_ns: now + 1, ..verified }.is_verified(now), "another CPU is ahead");
        assert!(PathState { elsewhere_ns: now - 10 * SECOND, ..verified }.is_verified(now));
        assert!(PathState { suspended_until_ns: now, ..verified }.is_verified(now));
    }

    proptest! {
        #[test]
        fn neighbours_differ_by_address_and_tags(low: u32, high: u16, outer in 0u16..4096, inner in 0u16..4096) {
            let this = neighbour(low, high, outer, inner);
            prop_assert_ne!(this, neighbour(low ^ 1, high, outer, inner));
            prop_assert_ne!(this, neighbour(low, high ^ 0x100, outer, inner));
            prop_assert_ne!(this, neighbour(low, high, outer ^ 1, inner));
            prop_assert_ne!(this, neighbour(low, high, outer, inner ^ 0x10));
            prop_assert_eq!(this, neighbour(low, high, outer | 0xe000, inner | 0x1000), "priorities do not matter");
        }

        #[test]
        fn every_field_changes_the_hash(a: u64, b: u64, neighbour: u64, interface: u32, port: u16, class in 0u16..16) {
            let path = ListenerPath { address: Addr([a, b]), neighbour, interface, port, class };
            let seed = HashSeed([3, 4]);
            for other in [
                ListenerPath { address: Addr([a ^ 1, b]), ..path },
                ListenerPath { address: Addr([a, b ^ 1]), ..path },
                ListenerPath { neighbour: neighbour ^ 1, ..path },
                ListenerPath { interface: interface ^ 1, ..path },
                ListenerPath { port: port ^ 1, ..path },
                path.with_class(class ^ 1),
            ] {
                prop_assert!(!path.is(&other));
                prop_assert_ne!(path.hash(seed), other.hash(seed));
            }
        }
    }
}
