//! Handshakes under observation: SYNs that were passed to the kernel as samples, and cookies that came back. Pure.
//!
//! The table is direct-mapped: a later handshake with the same cell replaces an earlier one, which is then no longer
//! counted. Forged SYNs that XDP replies to leave nothing here.

use super::tcp_options::TcpOptions;

/// Number of cells, a power of two.
pub const CELLS: usize = 1 << 12;
/// Longest time between a sample and its SYN-ACK, in nanoseconds.
pub const SYN_ACK_NS: u64 = 1_000_000_000;

/// [`Handshake::state`]: a sample was passed to the kernel; its SYN-ACK has not been seen.
pub const SAMPLED: u32 = 1;
/// [`Handshake::state`]: the kernel's SYN-ACK left and verified the path.
pub const VERIFIED: u32 = 2;
/// [`Handshake::state`]: the kernel's cookie came back.
pub const KERNEL_RETURNED: u32 = 3;
/// [`Handshake::state`]: a cookie of XDP's came back.
pub const XDP_RETURNED: u32 = 4;
/// [`Handshake::state`]: the handshake led to a connection, and was counted.
pub const ACCEPTED: u32 = 5;

/// One handshake.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Hash of addresses, ports and the client's initial sequence number, see [`super::seen_syns::syn_hash`]; 0: empty.
    pub tag: u64,
    /// Time of the latest change, in nanoseconds.
    pub at_ns: u64,
    /// The neighbour that the SYN came from, see [`super::listener::neighbour`].
    pub neighbour: u64,
    /// Index of the interface that the SYN came from.
    pub interface: u32,
    /// The cookie that XDP would have sent.
    pub cookie: u32,
    /// The offer of the SYN, see [`offer`].
    pub offer: u32,
    /// [`SAMPLED`] or a later state.
    pub state: u32,
}

/// Bit of an [`offer`] that asks for ECN. [`TcpOptions`] do not use it.
const ECN_BIT: u32 = 1 << 31;

/// Returns the offer of a SYN: its options without the timestamp's value, and whether it asks for ECN.
#[inline(always)]
pub const fn offer(options: TcpOptions, ecn: bool) -> u32 {
    options.0 as u32 | if ecn { ECN_BIT } else { 0 }
}

/// Returns the cell of a handshake.
#[inline(always)]
pub const fn index(tag: u64) -> u32 {
    (tag >> 24) as u32 & (CELLS as u32 - 1)
}

impl Handshake {
    /// Returns the options that the SYN offers, with 0 for the value of the timestamp.
    #[inline(always)]
    pub const fn options(&self) -> TcpOptions {
        TcpOptions((self.offer & !ECN_BIT) as u64)
    }

    /// Reports whether the SYN asks for ECN.
    #[inline(always)]
    pub const fn ecn(&self) -> bool {
        self.offer & ECN_BIT != 0
    }

    /// Reports whether this is the handshake with this tag, a sample whose SYN-ACK is expected.
    #[inline(always)]
    pub const fn expects_syn_ack(&self, tag: u64, now_ns: u64) -> bool {
        self.tag == tag && self.state == SAMPLED && now_ns.saturating_sub(self.at_ns) < SYN_ACK_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syn_cookie::template::class;

    #[test]
    fn offer_keeps_the_class_of_options() {
        for bits in 0..1u64 << 6 {
            // MSS 1460, then a window scale of 7 or none, then the flags for SACK and a timestamp.
            let scale = if bits & 1 == 0 { 0xf } else { 7 };
            let options = TcpOptions(0x05b4 | scale << 16 | (bits >> 1 & 3) << 20 | 99 << 32);
            let ecn = bits & 8 != 0;
            let handshake = Handshake { offer: offer(options, ecn), ..Handshake::default() };
            assert_eq!(handshake.ecn(), ecn);
            assert_eq!(handshake.options().0, options.0 & 0xffff_ffff);
            assert_eq!(class(handshake.options(), handshake.ecn()), class(options, ecn));
        }
    }

    #[test]
    fn only_a_recent_sample_expects_a_syn_ack() {
        let sample = Handshake { tag: 5, at_ns: 7, state: SAMPLED, ..Handshake::default() };
        assert!(sample.expects_syn_ack(5, 8));
        assert!(!sample.expects_syn_ack(6, 8));
        assert!(!sample.expects_syn_ack(5, 7 + SYN_ACK_NS));
        assert!(!Handshake { state: VERIFIED, ..sample }.expects_syn_ack(5, 8));
    }
}
