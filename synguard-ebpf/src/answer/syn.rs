//! What of a SYN, or of an ACK that may return a cookie, matters for an answer, read again from the frame: only of
//! packets whose TCP header comes right behind a plain IP header.

use core::mem::offset_of;

use aya_ebpf::programs::XdpContext;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::{
    prefix::{self, Halves, v4_mapped},
    syn_ack::Syn,
};

use crate::{
    bytes::{Header, header},
    packet::{Family, Packet, VLAN_MAX_DEPTH, flags},
};

/// Where a packet's IP and TCP headers begin, and of which family it is, in one word to be passed to functions of the
/// program. Making it compares nothing, or the verifier would tell apart all the ways in which parsing can go.
#[derive(Clone, Copy)]
pub(crate) struct Place(pub(crate) u64);

/// Highest offset of an IP header.
const NETWORK_MAX: usize = EthHdr::LEN + VLAN_MAX_DEPTH * 4;

impl Place {
    #[inline(always)]
    pub(crate) fn of(packet: &Packet) -> Self {
        Self(u64::from(packet.network) | u64::from(packet.transport) << 16 | (packet.family as u64) << 32)
    }

    /// Offset of the TCP header, in bytes.
    #[inline(always)]
    pub(crate) fn transport(self) -> usize {
        (self.0 >> 16) as usize & 0xffff
    }

    /// Whether it is an IPv6 packet.
    #[inline(always)]
    pub(crate) fn is_v6(self) -> bool {
        self.0 >> 32 == V6
    }

    /// Bytes of the IP header if the packet is of this family, has a whole TCP header, and has neither options nor
    /// extension headers between the two.
    #[inline(always)]
    pub(crate) fn plain(self) -> Option<usize> {
        let (network, transport) = (self.0 & 0xffff, self.0 >> 16 & 0xffff);
        let length = match self.0 >> 32 {
            V4 => Ipv4Hdr::LEN,
            V6 => Ipv6Hdr::LEN,
            _ => return None,
        };
        (transport == network + length as u64 && network <= NETWORK_MAX as u64).then_some(length)
    }
}

const V4: u64 = Family::V4 as u64;
const V6: u64 = Family::V6 as u64;

/// Where the IP header of a plain packet begins, with the family in the type: each has code of its own, so that the
/// verifier does not have to find out that a packet is not of both.
#[derive(Clone, Copy)]
pub(crate) struct Plain<const IS_V6: bool>(u64);

impl<const IS_V6: bool> Plain<IS_V6> {
    /// Bytes of the IP header.
    pub(crate) const IP: usize = if IS_V6 { Ipv6Hdr::LEN } else { Ipv4Hdr::LEN };
    /// Bytes of both headers, without TCP options.
    pub(crate) const HEADERS: usize = Self::IP + TcpHdr::LEN;

    /// That of a packet whose [`Place::plain`] was found to be so.
    #[inline(always)]
    pub(crate) fn at(place: Place) -> Self {
        Self(place.0)
    }

    /// Offset of the IP header, in bytes.
    #[inline(always)]
    pub(crate) fn network(self) -> usize {
        const MASK: usize = 0x1f;
        const { assert!(NETWORK_MAX <= MASK) };
        self.0 as usize & MASK
    }

    /// Both headers.
    #[inline(always)]
    pub(crate) fn headers(self, ctx: &XdpContext) -> Option<Header> {
        header(ctx, self.network(), Self::HEADERS)
    }
}

/// What was read.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Source address, IPv4 in mapped form.
    pub(crate) source: Halves,
    /// Destination address, likewise.
    pub(crate) destination: Halves,
    /// Ports, sequence number, ECN.
    pub(crate) syn: Syn,
}

impl Seen {
    /// Destination port.
    #[inline(always)]
    pub(crate) fn port(&self) -> u32 {
        self.syn.ports & 0xffff
    }
}

/// Reads the packet; `None` if no host may be answered at its source or as its destination, or if it is a fragment or
/// has FIN set.
#[inline(always)]
pub(crate) fn read<const V6: bool>(ctx: &XdpContext, place: Plain<V6>) -> Option<Seen> {
    const GROUP: u8 = 1;
    let ethernet = header(ctx, 0, EthHdr::LEN)?;
    let stations: u8 =
        ethernet.read::<u8>(offset_of!(EthHdr, dst_addr)) | ethernet.read::<u8>(offset_of!(EthHdr, src_addr));
    if stations & GROUP != 0 {
        return None;
    }
    let ip = place.headers(ctx)?;
    let seen = if V6 { read_v6(ip)? } else { read_v4(ip)? };
    // A host does not talk to itself by way of a device.
    let itself = seen.source[0] == seen.destination[0] && seen.source[1] == seen.destination[1];
    (!itself).then_some(seen)
}

#[inline(always)]
fn read_v4(ip: Header) -> Option<Seen> {
    const NOT_WHOLE: u16 = 0x3fffu16.to_be();
    let fragment: u16 = ip.read(offset_of!(Ipv4Hdr, frags));
    if fragment & NOT_WHOLE != 0 {
        return None;
    }
    let source = v4_mapped(ip.read(offset_of!(Ipv4Hdr, src_addr)));
    let destination = v4_mapped(ip.read(offset_of!(Ipv4Hdr, dst_addr)));
    let tos: u8 = ip.read(offset_of!(Ipv4Hdr, tos));
    if !is_host_v4(source) || !is_host_v4(destination) {
        return None;
    }
    read_tcp(ip, Ipv4Hdr::LEN, source, destination, tos & 3 != 0)
}

/// Whether the address may be a host's on a network: not 0/8, 127/8, multicast or reserved.
#[inline(always)]
fn is_host_v4(address: Halves) -> bool {
    let [first, ..] = prefix::v4(address).to_ne_bytes();
    first != 0 && first != 127 && first < 224
}

#[inline(always)]
fn read_v6(ip: Header) -> Option<Seen> {
    let read = |at: usize| [ip.read(at), ip.read(at + 8)];
    let source = read(offset_of!(Ipv6Hdr, src_addr));
    let destination = read(offset_of!(Ipv6Hdr, dst_addr));
    // The two lowest bits of the traffic class, which begins in the middle of the first byte.
    let ecn = ip.read::<u8>(1) >> 4 & 3;
    if !is_host_v6(source) || !is_host_v6(destination) {
        return None;
    }
    read_tcp(ip, Ipv6Hdr::LEN, source, destination, ecn != 0)
}

/// Whether the address may be a host's on a network: not multicast, unspecified, loopback, or an IPv4 address in some
/// form; and not of the link, of which there are several with the same addresses.
#[inline(always)]
fn is_host_v6(address: Halves) -> bool {
    let [first, second, ..] = address[0].to_ne_bytes();
    first != 0xff && address[0] != 0 && !(first == 0xfe && second & 0xc0 == 0x80)
}

#[inline(always)]
fn read_tcp(ip: Header, at: usize, source: Halves, destination: Halves, marked: bool) -> Option<Seen> {
    const FLAGS: usize = 13;
    /// ECE and CWR.
    const ECN_SETUP: u8 = 0xc0;
    let set: u8 = ip.read(at + FLAGS);
    if set & flags::FIN != 0 {
        return None;
    }
    let syn = Syn {
        ports: u32::from_be(ip.read(at)),
        sequence: u32::from_be(ip.read(at + offset_of!(TcpHdr, seq))),
        ecn: set & ECN_SETUP == ECN_SETUP && !marked,
    };
    Some(Seen { source, destination, syn })
}
