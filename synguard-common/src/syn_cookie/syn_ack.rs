//! The SYN-ACK: its TCP and IP headers as words in network byte order, with checksums, and the connection's options
//! encoded in its timestamp. Pure.

use crate::{
    addr::Addr,
    syn_cookie::{
        config::{SYN_COOKIE_ECN, SYN_COOKIE_OPTIONS, SynCookieConfig},
        tcp_options::{NO_WINDOW_SCALE, TcpOptions, option_bits},
        template::{
            SHAPE_DONT_FRAGMENT, SHAPE_ECN, SHAPE_FLOW_LABEL, SHAPE_SACK, SHAPE_TIMESTAMP,
            SHAPE_WINDOW_SCALE, SynAckShape, TCP_WORDS, TCP_WORDS_MSS_ONLY,
        },
    },
};

/// The fields of a SYN that its SYN-ACK depends on, besides addresses and options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynFields {
    /// Source port in the upper half, destination port in the lower.
    pub ports: u32,
    pub sequence: u32,
    /// The SYN asks for ECN: ECE and CWR are set, and the packet itself has no ECN mark (RFC 3168 section 6.1.1).
    pub ecn: bool,
}

/// The options of a connection: those of the SYN, as far as the SYN-ACK accepts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedOptions {
    /// MSS that the SYN-ACK announces.
    pub mss: u16,
    /// Window that the SYN-ACK announces.
    pub window: u16,
    /// Window scale that the SYN-ACK announces; not used without a timestamp.
    pub window_scale: u8,
    /// Options of the SYN that the SYN-ACK grants.
    pub client: TcpOptions,
    /// The SYN-ACK has a timestamp, and with it all other options of `client`.
    pub has_timestamp: bool,
    /// The SYN-ACK agrees to ECN.
    pub ecn: bool,
}

impl NegotiatedOptions {
    /// Negotiates the options of a SYN with these settings, as the kernel did for a SYN-ACK of this shape.
    #[inline(always)]
    pub const fn new(
        cookies: &SynCookieConfig,
        client: TcpOptions,
        syn: &SynFields,
        shape: &SynAckShape,
    ) -> Self {
        let has_timestamp =
            client.has_timestamp() && cookies.has(SYN_COOKIE_OPTIONS) && shape.has(SHAPE_TIMESTAMP);
        let ecn = has_timestamp && syn.ecn && cookies.has(SYN_COOKIE_ECN) && shape.has(SHAPE_ECN);
        Self {
            mss: shape.mss,
            window: shape.window,
            window_scale: shape.window_scale & 0xf,
            client: client.granted(shape.has(SHAPE_SACK), shape.has(SHAPE_WINDOW_SCALE)),
            has_timestamp,
            ecn,
        }
    }

    /// Returns the number of words of the TCP header.
    #[inline(always)]
    pub const fn words(&self) -> usize {
        match (self.has_timestamp, self.client.window_scale()) {
            (false, _) => TCP_WORDS_MSS_ONLY,
            (true, NO_WINDOW_SCALE) => TCP_WORDS - 1,
            (true, _) => TCP_WORDS,
        }
    }
}

/// Returns the timestamp of a SYN-ACK at `now_ns`: milliseconds with the options in the low six bits, never in the future.
/// The kernel's `cookie_timestamp_decode` reads it back.
#[inline(always)]
pub const fn encode_timestamp(options: &NegotiatedOptions, now_ns: u64) -> u32 {
    const BITS: u32 = 6;
    let now = now_ns / 1_000_000;
    let timestamp = now >> BITS << BITS | option_bits(options.client, options.ecn) as u64;
    (if timestamp > now { timestamp.wrapping_sub(1 << BITS) } else { timestamp }) as u32
}

/// Returns the TCP header with a checksum of 0. Without a timestamp the header ends after [`TCP_WORDS_MSS_ONLY`] words.
#[inline(always)]
pub const fn tcp_header(
    syn: &SynFields,
    options: &NegotiatedOptions,
    cookie: u32,
    now_ns: u64,
) -> [u32; TCP_WORDS] {
    const SYN_ACK: u32 = 0x12;
    const ECE: u32 = 0x40;
    let flags = SYN_ACK | if options.ecn { ECE } else { 0 };
    let offset = (options.words() as u32) << 28;
    const NOP: u32 = 0x01;
    let lead = if options.client.sack() { 0x0402 } else { NOP << 8 | NOP };
    // Without a window scale the header ends before this word.
    let scale = if options.client.window_scale() == NO_WINDOW_SCALE {
        0
    } else {
        NOP << 24 | 0x0003_0300 | options.window_scale as u32
    };
    [
        syn.ports.rotate_left(16).to_be(),
        cookie.to_be(),
        syn.sequence.wrapping_add(1).to_be(),
        (offset | flags << 16 | options.window as u32).to_be(),
        0,
        (0x0204 << 16 | options.mss as u32).to_be(),
        (lead << 16 | 0x080a).to_be(),
        encode_timestamp(options, now_ns).to_be(),
        options.client.timestamp(),
        scale.to_be(),
    ]
}

/// Returns the checksum of the first `words` words of a TCP header without data, between these addresses in either order.
#[inline(always)]
pub fn tcp_checksum(header: &[u32; TCP_WORDS], words: usize, addresses: [Addr; 2]) -> u16 {
    const PROTOCOL: u32 = 6;
    let mut sum = (PROTOCOL + 4 * words as u32).to_be() as u64;
    // The sum of an IPv4 address in IPv4-mapped form is that of the address alone: 0xffff counts as 0.
    let [a, b] = addresses;
    for half in [a.0[0], a.0[1], b.0[0], b.0[1]] {
        sum += (half & 0xffff_ffff) + (half >> 32);
    }
    sum += sum_mss_only(header);
    if words > TCP_WORDS_MSS_ONLY {
        sum += header[6] as u64 + header[7] as u64 + header[8] as u64 + header[9] as u64;
    }
    !fold(sum)
}

#[inline(always)]
const fn sum_mss_only(header: &[u32; TCP_WORDS]) -> u64 {
    header[0] as u64
        + header[1] as u64
        + header[2] as u64
        + header[3] as u64
        + header[4] as u64
        + header[5] as u64
}

/// Returns the header with its checksum filled in.
#[inline(always)]
pub fn with_checksum(mut header: [u32; TCP_WORDS], checksum: u16) -> [u32; TCP_WORDS] {
    // The checksum precedes the urgent pointer, which is 0.
    let [a, b] = checksum.to_ne_bytes();
    header[4] = u32::from_ne_bytes([a, b, 0, 0]);
    header
}

/// Returns the first three words of an IPv4 header of 20 bytes, for `length` bytes of TCP between these addresses, with its
/// checksum. If the kernel allows fragmentation it numbers its packets; the cookie then stands for such a number.
#[inline(always)]
pub fn ipv4_header(length: u32, shape: &SynAckShape, cookie: u32, addresses: [Addr; 2]) -> [u32; 3] {
    const DONT_FRAGMENT: u32 = 0x4000;
    const TCP: u32 = 6;
    let first = (0x4500_0000 | (shape.traffic_class as u32) << 16 | (20 + length)).to_be();
    let second = if shape.has(SHAPE_DONT_FRAGMENT) { DONT_FRAGMENT } else { cookie << 16 }.to_be();
    let third = ((shape.hop_limit as u32) << 24 | TCP << 16).to_be();
    // The sum of an address in IPv4-mapped form, see `tcp_checksum`.
    let sum = first as u64
        + second as u64
        + third as u64
        + (addresses[0].0[1] & 0xffff_ffff)
        + (addresses[0].0[1] >> 32)
        + (addresses[1].0[1] & 0xffff_ffff)
        + (addresses[1].0[1] >> 32);
    let [a, b] = (!fold(sum)).to_ne_bytes();
    let [c, d, ..] = third.to_ne_bytes();
    [first, second, u32::from_ne_bytes([c, d, a, b])]
}

/// Returns the first two words of an IPv6 header for `length` bytes of TCP. The cookie stands for the flow label, which the
/// kernel makes anew for each connection.
#[inline(always)]
pub const fn ipv6_header(length: u32, shape: &SynAckShape, cookie: u32) -> [u32; 2] {
    const TCP: u32 = 6;
    let label = if shape.has(SHAPE_FLOW_LABEL) { cookie & 0xf_ffff } else { 0 };
    let first = 0x6000_0000 | (shape.traffic_class as u32) << 20 | label;
    [first.to_be(), (length << 16 | TCP << 8 | shape.hop_limit as u32).to_be()]
}

/// Folds a sum of up to 2^32 words of 32 bits into 16 bits, in the arithmetic of checksums (RFC 1071).
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
