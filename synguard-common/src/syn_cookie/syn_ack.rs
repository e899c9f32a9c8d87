//! The answer to a SYN: its TCP and IP headers as words in the order of the network, the connection's options hidden
//! in its timestamp, and checksums. Pure.

use crate::{
    addr::Halves,
    syn_cookie::{
        config::{SYN_COOKIE_ECN, SYN_COOKIE_OPTIONS, SynCookieConfig},
        tcp_options::{NO_WINDOW_SCALE, TcpOptions},
    },
};

/// Words of the longest TCP header that an answer has: 20 bytes, and as many of options.
pub const TCP_WORDS: usize = 10;
/// Words of the header of an answer without a timestamp: only an MSS.
pub const TCP_WORDS_MSS_ONLY: usize = 6;
/// The window that answers announce, in bytes: what the kernel announces with its default buffers, 44 segments of 1460.
pub const WINDOW: u16 = 64_240;

/// What of a SYN its answer depends on, besides the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynFields {
    /// Source port in the upper half, destination port in the lower.
    pub ports: u32,
    /// Its sequence number.
    pub sequence: u32,
    /// Whether it asks for ECN: ECE and CWR are set, and the packet itself bears no ECN mark (RFC 3168 section 6.1.1).
    pub ecn: bool,
}

/// What is agreed upon: the client's offer as far as the answer takes it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedOptions {
    /// The MSS announced.
    pub mss: u16,
    /// The window scale announced; not used without a timestamp.
    pub window_scale: u8,
    /// What the answer takes up.
    pub offer: TcpOptions,
    /// Whether there is a timestamp, and with it everything else in the offer.
    pub stamped: bool,
    /// Whether ECN is agreed to.
    pub ecn: bool,
}

impl NegotiatedOptions {
    /// What is to be answered to an offer with these settings.
    #[inline(always)]
    pub const fn new(answering: &SynCookieConfig, offer: TcpOptions, syn: &SynFields, mss: u16) -> Self {
        let stamped = offer.has_timestamp() && answering.has(SYN_COOKIE_OPTIONS);
        let ecn = stamped && syn.ecn && answering.has(SYN_COOKIE_ECN);
        Self { mss, window_scale: answering.window_scale as u8 & 0xf, offer, stamped, ecn }
    }

    /// Words of the TCP header.
    #[inline(always)]
    pub const fn words(&self) -> usize {
        if self.stamped { TCP_WORDS } else { TCP_WORDS_MSS_ONLY }
    }
}

/// The timestamp to be sent at `now_ns` for these terms: milliseconds with the options in the low six bits, never in
/// the future. What it must be read back as is the kernel's `cookie_timestamp_decode`.
#[inline(always)]
pub const fn stamp(terms: &NegotiatedOptions, now_ns: u64) -> u32 {
    const BITS: u32 = 6;
    const SACK: u64 = 1 << 4;
    const ECN: u64 = 1 << 5;
    let options = terms.offer.window_scale() as u64
        | if terms.offer.sack() { SACK } else { 0 }
        | if terms.ecn { ECN } else { 0 };
    let now = now_ns / 1_000_000;
    let stamp = now >> BITS << BITS | options;
    (if stamp > now { stamp.wrapping_sub(1 << BITS) } else { stamp }) as u32
}

/// The TCP header, its checksum still 0. Of one without a timestamp the last words are no part.
#[inline(always)]
pub const fn tcp_header(
    syn: &SynFields,
    terms: &NegotiatedOptions,
    cookie: u32,
    now_ns: u64,
) -> [u32; TCP_WORDS] {
    const SYN_ACK: u32 = 0x12;
    const ECE: u32 = 0x40;
    let flags = SYN_ACK | if terms.ecn { ECE } else { 0 };
    let offset = (terms.words() as u32) << 28;
    const NOTHING: u32 = 0x01;
    let lead = if terms.offer.sack() { 0x0402 } else { NOTHING << 8 | NOTHING };
    let scale = if terms.offer.window_scale() == NO_WINDOW_SCALE {
        NOTHING << 24 | NOTHING << 16 | NOTHING << 8 | NOTHING
    } else {
        NOTHING << 24 | 0x0003_0300 | terms.window_scale as u32
    };
    [
        syn.ports.rotate_left(16).to_be(),
        cookie.to_be(),
        syn.sequence.wrapping_add(1).to_be(),
        (offset | flags << 16 | WINDOW as u32).to_be(),
        0,
        (0x0204 << 16 | terms.mss as u32).to_be(),
        (lead << 16 | 0x080a).to_be(),
        stamp(terms, now_ns).to_be(),
        terms.offer.stamp(),
        scale.to_be(),
    ]
}

/// The checksum of the first `words` words of a TCP header without data, between these addresses in either order.
#[inline(always)]
pub fn tcp_checksum(header: &[u32; TCP_WORDS], words: usize, addresses: [Halves; 2]) -> u16 {
    const PROTOCOL: u32 = 6;
    let mut sum = (PROTOCOL + 4 * words as u32).to_be() as u64;
    // That of an IPv4 address in mapped form is the same as that of the address alone: 0xffff counts as nothing.
    for half in [addresses[0][0], addresses[0][1], addresses[1][0], addresses[1][1]] {
        sum += (half & 0xffff_ffff) + (half >> 32);
    }
    sum += sum_plain(header);
    if words > TCP_WORDS_MSS_ONLY {
        sum += header[6] as u64 + header[7] as u64 + header[8] as u64 + header[9] as u64;
    }
    !fold(sum)
}

#[inline(always)]
const fn sum_plain(header: &[u32; TCP_WORDS]) -> u64 {
    header[0] as u64
        + header[1] as u64
        + header[2] as u64
        + header[3] as u64
        + header[4] as u64
        + header[5] as u64
}

/// The header with its checksum in place.
#[inline(always)]
pub fn with_checksum(mut header: [u32; TCP_WORDS], checksum: u16) -> [u32; TCP_WORDS] {
    // The checksum comes before the urgent pointer, which is 0.
    let [a, b] = checksum.to_ne_bytes();
    header[4] = u32::from_ne_bytes([a, b, 0, 0]);
    header
}

/// The first three words of an IPv4 header of 20 bytes, for `length` bytes of TCP between these addresses: not to be
/// fragmented, as the kernel's own, with its checksum.
#[inline(always)]
pub fn ipv4_header(length: u32, hop_limit: u8, addresses: [Halves; 2]) -> [u32; 3] {
    const DONT_FRAGMENT: u32 = 0x4000;
    const TCP: u32 = 6;
    let first = (0x4500_0000 | (20 + length)).to_be();
    let second = DONT_FRAGMENT.to_be();
    let third = ((hop_limit as u32) << 24 | TCP << 16).to_be();
    // Of an address in mapped form, see `tcp_checksum`.
    let sum = first as u64
        + second as u64
        + third as u64
        + (addresses[0][1] & 0xffff_ffff)
        + (addresses[0][1] >> 32)
        + (addresses[1][1] & 0xffff_ffff)
        + (addresses[1][1] >> 32);
    let [a, b] = (!fold(sum)).to_ne_bytes();
    let [c, d, ..] = third.to_ne_bytes();
    [first, second, u32::from_ne_bytes([c, d, a, b])]
}

/// The first two words of an IPv6 header for `length` bytes of TCP.
#[inline(always)]
pub const fn ipv6_header(length: u32, hop_limit: u8) -> [u32; 2] {
    const TCP: u32 = 6;
    [0x6000_0000u32.to_be(), (length << 16 | TCP << 8 | hop_limit as u32).to_be()]
}

/// A sum of 16-bit words in the arithmetic of checksums (RFC 1071), from one of up to 2^32 words of 32 bits.
#[inline(always)]
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
#[path = "syn_ack_tests.rs"]
mod tests;
