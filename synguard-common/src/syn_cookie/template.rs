//! The shape of the kernel's own SYN-ACK, from which XDP copies. Pure.
//!
//! A template holds for one listener path and one class of offered options, so it repeats what the kernel answered to just
//! such a SYN: with the listener's socket options, the route's metrics and the packet filter's changes applied.

use super::{
    listener::{SAMPLE_NS, VERIFIED_NS},
    tcp_options::{NO_WINDOW_SCALE, TcpOptions, option_bits},
};

/// Capacity of `TEMPLATES`, in templates.
pub const TEMPLATES_MAX: u32 = 4_096;
/// Number of classes.
pub const CLASSES: u16 = 9;

/// Words of the longest TCP header of a SYN-ACK: 20 bytes, and 20 bytes of options.
pub const TCP_WORDS: usize = 10;
/// Words of the TCP header of a SYN-ACK without a timestamp, which has an MSS only.
pub const TCP_WORDS_MSS_ONLY: usize = 6;

/// [`SynAckShape::flags`]: IPv4 forbids fragmentation.
pub const SHAPE_DONT_FRAGMENT: u8 = 1 << 0;
/// [`SynAckShape::flags`]: the SYN-ACK has a timestamp whose low bits hold the options, without an offset for each connection.
/// Userspace makes the kernel send such timestamps by `net.ipv4.tcp_timestamps` = 2.
pub const SHAPE_TIMESTAMP: u8 = 1 << 1;
/// [`SynAckShape::flags`]: selective acknowledgements are permitted.
pub const SHAPE_SACK: u8 = 1 << 2;
/// [`SynAckShape::flags`]: the SYN-ACK has a window scale.
pub const SHAPE_WINDOW_SCALE: u8 = 1 << 3;
/// [`SynAckShape::flags`]: the SYN-ACK agrees to ECN.
pub const SHAPE_ECN: u8 = 1 << 4;
/// [`SynAckShape::flags`]: IPv6 has a flow label, which the kernel makes anew for each connection.
pub const SHAPE_FLOW_LABEL: u8 = 1 << 5;
/// [`SynAckShape::flags`]: no cookie of XDP's has led to a connection on this path yet. Not of the SYN-ACK: set when a shape
/// is put into the cache.
pub const SHAPE_UNPROVEN: u8 = 1 << 7;

/// The fields of a SYN-ACK that do not depend on the single SYN.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynAckShape {
    /// MSS that the SYN-ACK announces; never 0.
    pub mss: u16,
    /// Window, as in the packet.
    pub window: u16,
    /// Highest MSS that the kernel lets a cookie encode on this path (`TCP_MAXSEG`, or a packet filter that changes SYNs).
    pub cookie_mss: u16,
    /// Time to live, or hop limit.
    pub hop_limit: u8,
    /// Type of service, or traffic class: DSCP and ECN bits.
    pub traffic_class: u8,
    /// Union of `SHAPE_*`.
    pub flags: u8,
    /// Window scale, if the SYN-ACK has one.
    pub window_scale: u8,
    /// Priority and drop bit of the outermost VLAN tag, in the upper four bits of the tag control information.
    pub priority: u16,
    /// Zero.
    pub reserved: u32,
}

/// A template in `TEMPLATES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynAckTemplate {
    /// Time of the SYN-ACK that the shape was copied from, in nanoseconds; 0: none yet.
    pub learned_ns: u64,
    /// Time of the latest SYN that was passed to the kernel as a sample.
    pub sampled_ns: u64,
    pub shape: SynAckShape,
}

/// Returns the class of the options that a SYN offers: 0 without a timestamp, in which case a cookie keeps no option but the
/// MSS; otherwise one for each combination of window scale, selective acknowledgements and ECN.
#[inline(always)]
pub const fn class(options: TcpOptions, ecn: bool) -> u16 {
    if !options.has_timestamp() {
        return 0;
    }
    let scaled = options.window_scale() != NO_WINDOW_SCALE;
    1 + scaled as u16 + 2 * options.sack() as u16 + 4 * ecn as u16
}

impl SynAckShape {
    #[inline(always)]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl SynAckTemplate {
    /// Reports whether the next SYN should be passed to the kernel as a sample.
    #[inline(always)]
    pub const fn is_sample_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.sampled_ns) >= SAMPLE_NS
    }

    /// Reports whether XDP may copy the shape.
    #[inline(always)]
    pub const fn is_fresh(&self, now_ns: u64) -> bool {
        self.learned_ns != 0 && now_ns.saturating_sub(self.learned_ns) < VERIFIED_NS
    }
}

/// The MSS values that a cookie can encode, lowest first: the kernel's `msstab`.
pub const COOKIE_MSS_V4: [u16; 4] = [536, 1300, 1440, 1460];
/// As [`COOKIE_MSS_V4`], over IPv6.
pub const COOKIE_MSS_V6: [u16; 4] = [1220, 1420, 1440, 8940];

/// Reads the parts of a shape that are in the TCP header of a SYN-ACK: `words` in network byte order, `count` of them, in reply
/// to a SYN that offers `offered` and asks for ECN or not. Returns `None` if XDP cannot write such a header: the kernel has
/// another layout for it.
#[inline(always)]
pub const fn read_syn_ack(
    words: &[u32; TCP_WORDS],
    count: usize,
    offered: TcpOptions,
    ecn: bool,
    now_ns: u64,
) -> Option<SynAckShape> {
    const ECE: u32 = 0x40;
    let (control, mss) = (u32::from_be(words[3]), u32::from_be(words[5]));
    if mss >> 16 != 0x0204 || mss & 0xffff == 0 {
        return None;
    }
    let mut shape = SynAckShape {
        mss: mss as u16,
        window: control as u16,
        cookie_mss: u16::MAX,
        hop_limit: 0,
        traffic_class: 0,
        flags: 0,
        window_scale: 0,
        priority: 0,
        reserved: 0,
    };
    if count == TCP_WORDS_MSS_ONLY {
        return Some(shape);
    }
    let (lead, scale) = (u32::from_be(words[6]), u32::from_be(words[9]));
    let agrees_to_ecn = control >> 16 & ECE != 0;
    match lead {
        0x0402_080a => shape.flags |= SHAPE_SACK,
        0x0101_080a => {}
        _ => return None,
    }
    if count == TCP_WORDS {
        if scale >> 8 != 0x01_0303 {
            return None;
        }
        shape.flags |= SHAPE_WINDOW_SCALE;
        shape.window_scale = scale as u8;
    } else if count != TCP_WORDS - 1 {
        return None;
    }
    if agrees_to_ecn {
        shape.flags |= SHAPE_ECN;
    }
    let granted = offered.granted(shape.has(SHAPE_SACK), shape.has(SHAPE_WINDOW_SCALE));
    let timestamp = u32::from_be(words[7]);
    if timestamp & 0x3f == option_bits(granted, ecn && agrees_to_ecn) && is_clock(timestamp, now_ns) {
        shape.flags |= SHAPE_TIMESTAMP;
    }
    Some(shape)
}

/// Reports whether a timestamp is the kernel's clock without an offset, two seconds more or less.
#[inline(always)]
const fn is_clock(timestamp: u32, now_ns: u64) -> bool {
    const TOLERANCE_MS: u32 = 2_000;
    let now = (now_ns / 1_000_000) as u32;
    now.wrapping_sub(timestamp).wrapping_add(TOLERANCE_MS) < 2 * TOLERANCE_MS
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
