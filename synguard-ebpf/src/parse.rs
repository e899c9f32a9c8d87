//! The parser: turns a frame into a [`Packet`]. It follows Ethernet, VLAN tags, IPv4 and IPv6 with everything that may
//! precede the TCP header. It only describes the packet and decides nothing.
//!
//! Offsets come from the packet, every read is checked against the frame's end (`frame`), and every loop has a named
//! limit. A packet that exceeds a limit is classified by whether the network stack could still find a SYN in it.

use core::mem::offset_of;

use aya_ebpf::programs::XdpContext;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::addr::Addr;

use crate::frame::{Header, has_bytes, header, reload_header};

/// Number of VLAN tags that the parser follows.
pub const VLAN_MAX_DEPTH: usize = 4;
/// Number of IPv6 extension headers that the parser follows.
pub const IPV6_EXT_MAX_CHAIN: usize = 8;

/// TCP flag bits in the 14th byte of the header.
pub mod flags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;
}

/// The kind of a packet, as far as the parser can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketClass {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// Truncated or inconsistent: the network stack discards it as well.
    Malformed,
    /// IP, but no TCP header follows.
    NotTcp,
    /// A fragment other than the first.
    Fragment,
    /// TCP, with a complete fixed header.
    Tcp,
    /// A packet whose TCP flags are not visible but which the network stack may reassemble into a SYN: a first fragment
    /// that ends before the flags (RFC 1858), or one with more extension headers than the parser follows.
    PossibleSyn,
}

/// The IP version of a packet's source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Not IP, or no readable IP header.
    None,
    V4,
    V6,
}

/// The fields of a packet that the pipeline needs, copied from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub class: PacketClass,
    /// IP version of `source`.
    pub family: Family,
    /// TCP flags; 0 unless the class is [`PacketClass::Tcp`].
    pub flags: u8,
    /// TCP destination port; 0 unless the class is [`PacketClass::Tcp`].
    pub port: u16,
    /// Offset of the IP header, in bytes from the frame's start; 0 unless the class is [`PacketClass::Tcp`].
    pub ip_offset: u16,
    /// Offset of the TCP header; 0 unless the class is [`PacketClass::Tcp`].
    pub tcp_offset: u16,
    /// Source address, IPv4 in IPv4-mapped form; zeros without a family.
    pub source: Addr,
}

impl Packet {
    #[inline(always)]
    const fn new(class: PacketClass, family: Family, source: Addr) -> Self {
        Self { class, family, flags: 0, port: 0, ip_offset: 0, tcp_offset: 0, source }
    }

    /// Reports whether the flags are those of a SYN: SYN set, ACK and RST clear. ECN, PSH, URG, FIN and data do not
    /// matter: the network stack opens a request for such a SYN, or rejects it only late.
    #[inline(always)]
    pub const fn is_syn(&self) -> bool {
        self.flags & (flags::SYN | flags::ACK | flags::RST) == flags::SYN
    }

    /// Reports whether the packet is a SYN, or a possible one.
    #[inline(always)]
    pub const fn may_be_syn(&self) -> bool {
        match self.class {
            PacketClass::Tcp => self.is_syn(),
            PacketClass::PossibleSyn => true,
            _ => false,
        }
    }

    /// Reports whether the flags are those of an ACK that opens or continues a connection: FIN and RST end one.
    #[inline(always)]
    pub const fn is_ack(&self) -> bool {
        is_ack(self.flags)
    }

    /// Reports whether no host sends these flags: SYN with FIN or RST, FIN with RST, FIN without ACK, or none of them.
    #[inline(always)]
    pub const fn has_bad_flags(&self) -> bool {
        let (fin, syn, rst) =
            (self.flags & flags::FIN != 0, self.flags & flags::SYN != 0, self.flags & flags::RST != 0);
        let ack = self.flags & flags::ACK != 0;
        (syn && (fin || rst)) || (fin && (rst || !ack)) || !(fin || syn || rst || ack)
    }
}

#[inline(always)]
const fn is_ack(set: u8) -> bool {
    set & (flags::SYN | flags::ACK | flags::RST | flags::FIN) == flags::ACK
}

/// Returns the length of the frame, or of its first buffer, in bytes.
#[inline(always)]
pub fn length(ctx: &XdpContext) -> u64 {
    (ctx.data_end() - ctx.data()) as u64
}

/// Parses a frame. The parser ignores the total length fields of IP: padding beyond them can neither turn a harmless
/// packet into a SYN that the network stack accepts, nor hide such a SYN.
#[inline(always)]
pub fn packet(ctx: &XdpContext) -> Packet {
    parse_plain(ctx).unwrap_or_else(|| parse_any(ctx))
}

/// Offsets of the headers of plain TCP over IPv4.
const PLAIN_IP: usize = EthHdr::LEN;
const PLAIN_TCP: usize = PLAIN_IP + Ipv4Hdr::LEN;

/// Returns the [`length`] of an ACK in plain TCP over IPv4, as nearly every packet to a server is. It loads the packet
/// pointers for itself, see `reload_header`, and compares the flags first, so that a SYN leaves at once.
#[inline(always)]
pub fn plain_ack(ctx: &XdpContext) -> Option<u64> {
    let (frame, length) = reload_header(ctx, PLAIN_TCP + TcpHdr::LEN)?;
    (is_ack(frame.read(PLAIN_TCP + FLAGS)) && is_plain(frame)).then_some(length)
}

/// Reports whether a frame is TCP over IPv4 with neither VLAN tags, IP options nor fragmentation.
#[inline(always)]
fn is_plain(frame: Header) -> bool {
    const VERSION_AND_LENGTH: u8 = 0x45;
    const FRAGMENT: u16 = 0x3fffu16.to_be();
    frame.read::<u16>(offset_of!(EthHdr, ether_type)) == IPV4
        && frame.read::<u8>(PLAIN_IP + offset_of!(Ipv4Hdr, vihl)) == VERSION_AND_LENGTH
        && frame.read::<u8>(PLAIN_IP + offset_of!(Ipv4Hdr, proto)) == PROTOCOL_TCP
        && frame.read::<u16>(PLAIN_IP + offset_of!(Ipv4Hdr, frags)) & FRAGMENT == 0
        && frame.read::<u8>(PLAIN_TCP + DATA_OFFSET) >> 4 >= 5
}

/// Parses plain TCP over IPv4. Every other frame takes the one path that reads all fields again, so the compiler need not
/// keep any of them: with several early exits it would store the result of each one before the check.
#[inline(always)]
fn parse_plain(ctx: &XdpContext) -> Option<Packet> {
    let frame = header(ctx, 0, PLAIN_TCP + TcpHdr::LEN)?;
    is_plain(frame).then(|| Packet {
        class: PacketClass::Tcp,
        family: Family::V4,
        flags: frame.read(PLAIN_TCP + FLAGS),
        port: u16::from_be(frame.read(PLAIN_TCP + offset_of!(TcpHdr, dest))),
        ip_offset: PLAIN_IP as u16,
        tcp_offset: PLAIN_TCP as u16,
        source: Addr::from_v4(frame.read(PLAIN_IP + offset_of!(Ipv4Hdr, src_addr))),
    })
}

#[inline(always)]
fn parse_any(ctx: &XdpContext) -> Packet {
    let Some(ethernet) = header(ctx, 0, EthHdr::LEN) else { return MALFORMED };
    let mut ether_type: u16 = ethernet.read(offset_of!(EthHdr, ether_type));
    let mut offset = EthHdr::LEN;
    for _ in 0..VLAN_MAX_DEPTH {
        if !is_vlan(ether_type) {
            break;
        }
        let Some(tag) = header(ctx, offset, VLAN_TAG_LEN) else { return MALFORMED };
        ether_type = tag.read(VLAN_TAG_NEXT);
        offset += VLAN_TAG_LEN;
    }
    match ether_type {
        IPV4 => parse_ipv4(ctx, offset),
        IPV6 => parse_ipv6(ctx, offset),
        other if is_vlan(other) => MALFORMED,
        _ => Packet::new(PacketClass::NotIp, Family::None, Addr::UNSPECIFIED),
    }
}

/// Ethernet types, as loaded from a frame.
pub(crate) const IPV4: u16 = 0x0800u16.to_be();
pub(crate) const IPV6: u16 = 0x86ddu16.to_be();
const MALFORMED: Packet = Packet::new(PacketClass::Malformed, Family::None, Addr::UNSPECIFIED);
/// A tag consists of two bytes of its own and the type of the following header.
pub(crate) const VLAN_TAG_LEN: usize = 4;
pub(crate) const VLAN_TAG_NEXT: usize = 2;

/// Reports whether an Ethernet type announces a VLAN tag.
#[inline(always)]
pub(crate) fn is_vlan(ether_type: u16) -> bool {
    const DOT1Q: u16 = 0x8100u16.to_be();
    const DOT1AD: u16 = 0x88a8u16.to_be();
    const QINQ: u16 = 0x9100u16.to_be();
    matches!(ether_type, DOT1Q | DOT1AD | QINQ)
}

#[inline(always)]
fn parse_ipv4(ctx: &XdpContext, offset: usize) -> Packet {
    let Some(ip) = header(ctx, offset, Ipv4Hdr::LEN) else { return MALFORMED };
    let vihl: u8 = ip.read(offset_of!(Ipv4Hdr, vihl));
    let length = (vihl as usize & 0xf) * 4;
    if vihl >> 4 != 4 || length < Ipv4Hdr::LEN || !has_bytes(ctx, offset + length) {
        return MALFORMED;
    }
    let source = Addr::from_v4(ip.read(offset_of!(Ipv4Hdr, src_addr)));
    let packet = |class| Packet::new(class, Family::V4, source);
    const OFFSET: u16 = 0x1fffu16.to_be();
    const MORE: u16 = 0x2000u16.to_be();
    let fragment: u16 = ip.read(offset_of!(Ipv4Hdr, frags));
    if fragment & OFFSET != 0 {
        return packet(PacketClass::Fragment);
    }
    if ip.read::<u8>(offset_of!(Ipv4Hdr, proto)) != PROTOCOL_TCP {
        return packet(PacketClass::NotTcp);
    }
    parse_tcp(ctx, ip, offset + length, fragment & MORE != 0, packet(PacketClass::Tcp))
}

const PROTOCOL_TCP: u8 = 6;
/// Offsets in the TCP header.
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;

#[inline(always)]
fn parse_ipv6(ctx: &XdpContext, offset: usize) -> Packet {
    let Some(ip) = header(ctx, offset, Ipv6Hdr::LEN) else { return MALFORMED };
    if ip.read::<u8>(offset_of!(Ipv6Hdr, vcf)) >> 4 != 6 {
        return MALFORMED;
    }
    const SOURCE: usize = offset_of!(Ipv6Hdr, src_addr);
    let packet = Packet::new(PacketClass::Tcp, Family::V6, Addr([ip.read(SOURCE), ip.read(SOURCE + 8)]));
    let chain = skip_extensions(ctx, offset + Ipv6Hdr::LEN, ip.read(offset_of!(Ipv6Hdr, next_hdr)));
    match chain.end {
        ChainEnd::Tcp => parse_tcp(ctx, ip, chain.offset, chain.first_fragment, packet),
        ChainEnd::Other(class) => Packet { class, ..packet },
    }
}

/// The end of a chain of extension headers.
#[derive(Clone, Copy)]
enum ChainEnd {
    /// A TCP header at the chain's offset.
    Tcp,
    Other(PacketClass),
}

#[derive(Clone, Copy)]
struct ExtensionChain {
    end: ChainEnd,
    offset: usize,
    first_fragment: bool,
}

/// Skips the extension headers from `offset`, the first of which has type `next` (RFC 8200 section 4).
#[inline(always)]
fn skip_extensions(ctx: &XdpContext, mut offset: usize, mut next: u8) -> ExtensionChain {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HIP: u8 = 139;
    const SHIM6: u8 = 140;
    /// Mask above every offset at which a chain can end.
    const OFFSET_MASK: usize = 0x7fff;
    const {
        assert!(
            EthHdr::LEN + VLAN_MAX_DEPTH * 4 + Ipv6Hdr::LEN + IPV6_EXT_MAX_CHAIN * 256 * 8 <= OFFSET_MASK
        );
    }
    /// Length of the shortest extension header.
    const EXTENSION_MIN_LEN: usize = 8;
    let mut first_fragment = false;
    let mut end = ChainEnd::Other(PacketClass::PossibleSyn);
    for depth in 0..=IPV6_EXT_MAX_CHAIN {
        if next == PROTOCOL_TCP {
            end = ChainEnd::Tcp;
            break;
        }
        if !matches!(
            next,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6
        ) {
            end = ChainEnd::Other(PacketClass::NotTcp);
            break;
        }
        if depth == IPV6_EXT_MAX_CHAIN {
            break;
        }
        let Some(extension) = header(ctx, offset, EXTENSION_MIN_LEN) else {
            // Truncated: only a fragment, which the stack has yet to reassemble, can become a SYN.
            end = ChainEnd::Other(if first_fragment {
                PacketClass::PossibleSyn
            } else {
                PacketClass::Malformed
            });
            break;
        };
        let length: u8 = extension.read(1);
        let taken = match next {
            FRAGMENT => {
                let position = u16::from_be(extension.read(2));
                if position & 0xfff8 != 0 {
                    end = ChainEnd::Other(PacketClass::Fragment);
                    break;
                }
                first_fragment |= position & 1 != 0;
                EXTENSION_MIN_LEN
            }
            AUTHENTICATION => (length as usize + 2) * 4,
            _ => (length as usize + 1) * 8,
        };
        // The verifier must not know the sum, or each depth would have one state for every path that leads to it.
        offset = (extension.offset(ctx) + taken) & OFFSET_MASK;
        next = extension.read(0);
    }
    ExtensionChain { end, offset, first_fragment }
}

/// Reads the TCP header at `offset` into `packet`. If a first fragment ends within the fixed header, the next fragment
/// completes it, out of the parser's sight.
#[inline(always)]
fn parse_tcp(ctx: &XdpContext, ip: Header, offset: usize, first_fragment: bool, packet: Packet) -> Packet {
    let Some(tcp) = header(ctx, offset, TcpHdr::LEN) else {
        let class = if first_fragment { PacketClass::PossibleSyn } else { PacketClass::Malformed };
        return Packet { class, ..packet };
    };
    if tcp.read::<u8>(DATA_OFFSET) >> 4 < 5 {
        return Packet { class: PacketClass::Malformed, ..packet };
    }
    let port = u16::from_be(tcp.read(offset_of!(TcpHdr, dest)));
    let (ip_offset, tcp_offset) = (ip.offset(ctx) as u16, tcp.offset(ctx) as u16);
    Packet { class: PacketClass::Tcp, flags: tcp.read(FLAGS), port, ip_offset, tcp_offset, ..packet }
}
