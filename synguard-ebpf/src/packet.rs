//! From a frame to a [`Packet`]: Ethernet, VLAN tags, IPv4 and IPv6 with everything that may stand before
//! the TCP header. It decides nothing; it says what can be seen.
//!
//! Offsets come from the packet, every read is checked against its end (`bytes`), and every loop has a named limit.
//! What lies beyond the limits is told apart by whether the network stack could still find a SYN in it.

use core::mem::offset_of;

use aya_ebpf::programs::XdpContext;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::prefix::{Halves, v4_mapped};

use crate::bytes::{Header, header, header_anew, within};

/// VLAN tags that are followed.
pub const VLAN_MAX_DEPTH: usize = 4;
/// IPv6 extension headers that are followed.
pub const IPV6_EXT_MAX_CHAIN: usize = 8;

/// TCP flag bits, as they lie in the header's 14th byte.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Resets the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field is valid.
    pub const ACK: u8 = 0x10;
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// Cut short or inconsistent, so that the network stack discards it as well.
    Malformed,
    /// IP, but no TCP header follows.
    NotTcp,
    /// A fragment other than the first.
    Fragment,
    /// A whole fixed TCP header was read.
    Tcp,
    /// No TCP flags could be read, but the network stack might put a SYN together from it: a first fragment
    /// that ends before the flags (RFC 1858), or a chain of more extension headers than are followed.
    HiddenSyn,
}

/// Which IP version a packet's source address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// No IP, or none that could be read.
    None,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What there is to know of a packet, copied out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is.
    pub class: Class,
    /// Whose `source` is.
    pub family: Family,
    /// TCP flags; 0 unless the class is [`Class::Tcp`].
    pub flags: u8,
    /// TCP destination port; 0 unless the class is [`Class::Tcp`].
    pub port: u16,
    /// Where the IP header begins, in bytes from the frame's start; 0 unless the class is [`Class::Tcp`].
    pub network: u16,
    /// Where the TCP header begins; 0 unless the class is [`Class::Tcp`].
    pub transport: u16,
    /// Source address, IPv4 in its mapped form; zeros without a family.
    pub source: Halves,
}

impl Packet {
    #[inline(always)]
    const fn new(class: Class, family: Family, source: Halves) -> Self {
        Self { class, family, flags: 0, port: 0, network: 0, transport: 0, source }
    }

    /// Whether the flags are those of a SYN: set, and neither an answer nor a reset. ECN, PSH, URG, FIN and
    /// data do not matter: the network stack opens a request for them, or finds out late that it will not.
    #[inline(always)]
    pub const fn is_syn(&self) -> bool {
        self.flags & (flags::SYN | flags::ACK | flags::RST) == flags::SYN
    }

    /// Whether the flags are those of an ACK that opens or carries on a connection: FIN and RST end one.
    #[inline(always)]
    pub const fn is_ack(&self) -> bool {
        is_ack(self.flags)
    }

    /// Whether no host sends such flags: SYN with FIN or RST, FIN with RST, FIN without ACK, or none of them.
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

/// Length of the frame, or of its first buffer, in bytes.
#[inline(always)]
pub fn length(ctx: &XdpContext) -> u64 {
    (ctx.data_end() - ctx.data()) as u64
}

/// Reads what the frame is. Total length fields are not consulted: padding that they leave out cannot turn
/// a harmless packet into a SYN that the network stack accepts, nor the other way round.
#[inline(always)]
pub fn parse(ctx: &XdpContext) -> Packet {
    parse_plain(ctx).unwrap_or_else(|| parse_any(ctx))
}

/// Where the headers of plain TCP over IPv4 begin.
const PLAIN_IP: usize = EthHdr::LEN;
const PLAIN_TCP: usize = PLAIN_IP + Ipv4Hdr::LEN;

/// The [`length`] of a packet that is an ACK in plain TCP over IPv4, as nearly every packet of a server is. It looks for
/// itself and keeps nothing, see `header_anew`; at the flags first, so that a SYN is done with at once.
#[inline(always)]
pub fn plain_ack(ctx: &XdpContext) -> Option<u64> {
    let (frame, length) = header_anew(ctx, PLAIN_TCP + TcpHdr::LEN)?;
    (is_ack(frame.read(PLAIN_TCP + FLAGS)) && is_plain(frame)).then_some(length)
}

/// Whether a frame is TCP over IPv4 with nothing unusual about it.
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

/// Plain TCP over IPv4. Whatever speaks against that leads to the one place where everything is read anew, so the
/// compiler keeps nothing for it: it would store what each early exit returns before the check.
#[inline(always)]
fn parse_plain(ctx: &XdpContext) -> Option<Packet> {
    let frame = header(ctx, 0, PLAIN_TCP + TcpHdr::LEN)?;
    is_plain(frame).then(|| Packet {
        class: Class::Tcp,
        family: Family::V4,
        flags: frame.read(PLAIN_TCP + FLAGS),
        port: u16::from_be(frame.read(PLAIN_TCP + offset_of!(TcpHdr, dest))),
        network: PLAIN_IP as u16,
        transport: PLAIN_TCP as u16,
        source: v4_mapped(frame.read(PLAIN_IP + offset_of!(Ipv4Hdr, src_addr))),
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
        _ => Packet::new(Class::NotIp, Family::None, [0, 0]),
    }
}

const IPV4: u16 = 0x0800u16.to_be();
const IPV6: u16 = 0x86ddu16.to_be();
const MALFORMED: Packet = Packet::new(Class::Malformed, Family::None, [0, 0]);
/// A tag is two bytes of its own and then the type of what follows.
const VLAN_TAG_LEN: usize = 4;
const VLAN_TAG_NEXT: usize = 2;

#[inline(always)]
fn is_vlan(ether_type: u16) -> bool {
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
    if vihl >> 4 != 4 || length < Ipv4Hdr::LEN || !within(ctx, offset + length) {
        return MALFORMED;
    }
    let source = v4_mapped(ip.read(offset_of!(Ipv4Hdr, src_addr)));
    let packet = |class| Packet::new(class, Family::V4, source);
    const OFFSET: u16 = 0x1fffu16.to_be();
    const MORE: u16 = 0x2000u16.to_be();
    let fragment: u16 = ip.read(offset_of!(Ipv4Hdr, frags));
    if fragment & OFFSET != 0 {
        return packet(Class::Fragment);
    }
    if ip.read::<u8>(offset_of!(Ipv4Hdr, proto)) != PROTOCOL_TCP {
        return packet(Class::NotTcp);
    }
    parse_tcp(ctx, ip, offset + length, fragment & MORE != 0, packet(Class::Tcp))
}

const PROTOCOL_TCP: u8 = 6;
/// Where these two lie in a TCP header.
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;

#[inline(always)]
fn parse_ipv6(ctx: &XdpContext, offset: usize) -> Packet {
    let Some(ip) = header(ctx, offset, Ipv6Hdr::LEN) else { return MALFORMED };
    if ip.read::<u8>(offset_of!(Ipv6Hdr, vcf)) >> 4 != 6 {
        return MALFORMED;
    }
    const SOURCE: usize = offset_of!(Ipv6Hdr, src_addr);
    let packet = Packet::new(Class::Tcp, Family::V6, [ip.read(SOURCE), ip.read(SOURCE + 8)]);
    let chain = skip_extensions(ctx, offset + Ipv6Hdr::LEN, ip.read(offset_of!(Ipv6Hdr, next_hdr)));
    match chain.end {
        End::Tcp => parse_tcp(ctx, ip, chain.offset, chain.first_fragment, packet),
        End::Class(class) => Packet { class, ..packet },
    }
}

/// Where a chain of extension headers led.
#[derive(Clone, Copy)]
enum End {
    /// To a TCP header at the chain's offset.
    Tcp,
    /// Elsewhere.
    Class(Class),
}

#[derive(Clone, Copy)]
struct Chain {
    end: End,
    offset: usize,
    first_fragment: bool,
}

/// Walks the extension headers from `offset`, the first of which is of type `next` (RFC 8200 section 4).
#[inline(always)]
fn skip_extensions(ctx: &XdpContext, mut offset: usize, mut next: u8) -> Chain {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HIP: u8 = 139;
    const SHIM6: u8 = 140;
    /// Above all offsets that a chain can lead to.
    const OFFSET_MASK: usize = 0x7fff;
    const {
        assert!(
            EthHdr::LEN + VLAN_MAX_DEPTH * 4 + Ipv6Hdr::LEN + IPV6_EXT_MAX_CHAIN * 256 * 8 <= OFFSET_MASK
        );
    }
    /// Every extension header is at least this long.
    const EXTENSION_MIN_LEN: usize = 8;
    let mut first_fragment = false;
    let mut end = End::Class(Class::HiddenSyn);
    for depth in 0..=IPV6_EXT_MAX_CHAIN {
        if next == PROTOCOL_TCP {
            end = End::Tcp;
            break;
        }
        if !matches!(
            next,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6
        ) {
            end = End::Class(Class::NotTcp);
            break;
        }
        if depth == IPV6_EXT_MAX_CHAIN {
            break;
        }
        let Some(extension) = header(ctx, offset, EXTENSION_MIN_LEN) else {
            // Cut short: only what is still to be put together can become a SYN.
            end = End::Class(if first_fragment { Class::HiddenSyn } else { Class::Malformed });
            break;
        };
        let length: u8 = extension.read(1);
        let taken = match next {
            FRAGMENT => {
                let position = u16::from_be(extension.read(2));
                if position & 0xfff8 != 0 {
                    end = End::Class(Class::Fragment);
                    break;
                }
                first_fragment |= position & 1 != 0;
                EXTENSION_MIN_LEN
            }
            AUTHENTICATION => (length as usize + 2) * 4,
            _ => (length as usize + 1) * 8,
        };
        // Not added to what the verifier knows, or each depth would have a state for every way to get there.
        offset = (extension.offset(ctx) + taken) & OFFSET_MASK;
        next = extension.read(0);
    }
    Chain { end, offset, first_fragment }
}

/// Reads the TCP header at `offset` into `packet`. A first fragment that ends within the fixed header hides
/// what its successor will complete.
#[inline(always)]
fn parse_tcp(ctx: &XdpContext, ip: Header, offset: usize, first_fragment: bool, packet: Packet) -> Packet {
    let Some(tcp) = header(ctx, offset, TcpHdr::LEN) else {
        let class = if first_fragment { Class::HiddenSyn } else { Class::Malformed };
        return Packet { class, ..packet };
    };
    if tcp.read::<u8>(DATA_OFFSET) >> 4 < 5 {
        return Packet { class: Class::Malformed, ..packet };
    }
    let port = u16::from_be(tcp.read(offset_of!(TcpHdr, dest)));
    let (network, transport) = (ip.offset(ctx) as u16, tcp.offset(ctx) as u16);
    Packet { class: Class::Tcp, flags: tcp.read(FLAGS), port, network, transport, ..packet }
}
