//! Types shared by the flood generator and its driver in userspace: the frame to send, the parts of it that change
//! from frame to frame, and the arithmetic of those changes.
#![no_std]

/// Limit on the length of a frame, rounded up to whole words: Ethernet, one VLAN tag, IPv6, TCP with 20 bytes of
/// options make 98 bytes.
pub const FRAME_WORDS_MAX: usize = 13;
/// Bytes of Ethernet's header.
pub const ETHERNET_LEN: usize = 14;
/// Offset of the last byte of a frame's destination address.
pub const MAC_END: usize = 5;
/// The last byte of the gateway's hardware address, which no other device of the lab has.
pub const GATEWAY_MAC_END: u8 = 0xfe;
/// Bytes of a VLAN tag.
pub const VLAN_LEN: usize = 4;
/// Bytes of the IPv4 header, which has no options.
pub const IPV4_LEN: usize = 20;
/// Bytes of the IPv6 header, which has no extensions.
pub const IPV6_LEN: usize = 40;
/// Bytes of the TCP header with the options of a Linux SYN.
pub const TCP_LEN: usize = 40;

/// The headers in front of TCP. The values are those of [`Template::layout`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Ethernet, IPv4.
    V4 = 0,
    /// Ethernet, a VLAN tag, IPv4.
    V4Vlan = 1,
    /// Ethernet, IPv6.
    V6 = 2,
    /// Ethernet, a VLAN tag, IPv6.
    V6Vlan = 3,
}

impl Layout {
    /// Returns the offset of the IP header, in bytes from the start of the frame.
    pub const fn ip_at(self) -> usize {
        match self {
            Self::V4 | Self::V6 => ETHERNET_LEN,
            Self::V4Vlan | Self::V6Vlan => ETHERNET_LEN + VLAN_LEN,
        }
    }

    /// Returns the offset of the TCP header, in bytes from the start of the frame.
    pub const fn tcp_at(self) -> usize {
        match self {
            Self::V4 | Self::V4Vlan => self.ip_at() + IPV4_LEN,
            Self::V6 | Self::V6Vlan => self.ip_at() + IPV6_LEN,
        }
    }

    /// Returns the offset of the source address, in bytes from the start of the frame.
    pub const fn source_at(self) -> usize {
        match self {
            Self::V4 | Self::V4Vlan => self.ip_at() + 12,
            Self::V6 | Self::V6Vlan => self.ip_at() + 8,
        }
    }

    /// Bytes of the frame.
    pub const fn frame_len(self) -> usize {
        self.tcp_at() + TCP_LEN
    }

    /// Returns the number of whole words that hold the frame. It has at least one byte more than the frame: the
    /// generator cuts the surplus off, which makes the kernel take the length from the buffer again each time.
    pub const fn words(self) -> usize {
        self.frame_len() / 8 + 1
    }

    /// Reports whether the IP header is that of IPv4, and so has a checksum.
    pub const fn is_v4(self) -> bool {
        matches!(self, Self::V4 | Self::V4Vlan)
    }
}

/// The frame to send, and the parts that change. The one entry of the map `TEMPLATE`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The frame's bytes in memory order, padded with zeros. Zero where the generator writes: the varying
    /// word of the source address, the source port, the sequence number and both checksums.
    pub words: [u64; FRAME_WORDS_MAX],
    /// A [`Layout`].
    pub layout: u32,
    /// Sum of the IPv4 header's 16-bit words in memory order; unused for IPv6.
    pub ip_sum: u32,
    /// Sum of the 16-bit words, in memory order, of the TCP segment and its pseudo-header.
    pub tcp_sum: u32,
    /// The varying word of the first source address, in host order.
    pub source_base: u32,
    /// Offset of that word, in bytes from the start of the address: 0 for IPv4; for IPv6 4 (each source has a /64 of
    /// its own) or 12 (all share one).
    pub source_word: u32,
    /// Number of sources, counted up from `source_base`; each frame takes one.
    pub sources: u32,
    /// Source port in host order, or 0 for a random one from 1024 up.
    pub source_port: u32,
    /// 0: each frame takes a source at random; 1: they take turns.
    pub in_turn: u32,
    /// The varying word of the first offender's address, in host order.
    pub offender_base: u32,
    /// Number of offenders, counted up from `offender_base`.
    pub offenders: u32,
    /// Number of frames, out of [`SHARE_WHOLE`], that come from an offender, chosen at random, instead of from a
    /// source.
    pub offender_share: u32,
    /// Zero, to fill the last word.
    pub reserved: u32,
}

/// The whole that [`Template::offender_share`] is a share of.
pub const SHARE_WHOLE: u32 = 1 << 16;

const _: () = assert!(size_of::<Template>() == FRAME_WORDS_MAX * 8 + 48);
const _: () = assert!(Layout::V6Vlan.words() == FRAME_WORDS_MAX);

/// A source's entry in the table of the program `plain_lru`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PlainSource {
    /// The window that `syns` counts in.
    pub window: u64,
    /// SYNs.
    pub syns: u64,
}

/// Nanoseconds of a window of `plain_lru`, as a power of two: 1.07 s.
pub const PLAIN_WINDOW_SHIFT: u32 = 30;
/// SYNs in a window above which `plain_lru` drops.
pub const PLAIN_LIMIT: u64 = 100;
/// Sources that `plain_lru` has room for, as many as synguard by default.
pub const PLAIN_SOURCES: u32 = 262_144;

/// Adds a 32-bit value, as its two 16-bit words in network order, to an Internet checksum in memory order.
#[inline(always)]
pub const fn add_u32(sum: u32, value: u32) -> u32 {
    let [a, b, c, d] = value.to_be_bytes();
    sum + u16::from_ne_bytes([a, b]) as u32 + u16::from_ne_bytes([c, d]) as u32
}

/// The checksum field, in memory order, for a sum of 16-bit words in memory order.
#[inline(always)]
pub const fn finish(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    !((once & 0xffff) + (once >> 16)) as u16
}
