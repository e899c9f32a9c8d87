//! The header fields of a SYN that its SYN-ACK depends on, and of an ACK that may return a cookie. Reads them from the
//! frame again, and only from packets whose TCP header directly follows a plain IP header.

use core::mem::offset_of;

use aya_ebpf::programs::XdpContext;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::{
    addr::Addr,
    syn_cookie::{listener, syn_ack::SynFields},
};

use super::scratch::SynHeaders;
use crate::{
    frame::{Header, header},
    maps,
    parse::{Family, Packet, VLAN_MAX_DEPTH, VLAN_TAG_LEN, flags},
};

/// Offsets of a packet's IP and TCP headers, and its family, in one word that fits an argument of a global function.
/// Making it involves no comparison, or the verifier would follow each path through the parser separately.
#[derive(Clone, Copy)]
pub(crate) struct HeaderOffsets(pub(crate) u64);

/// Highest offset of an IP header.
const IP_OFFSET_MAX: usize = EthHdr::LEN + VLAN_MAX_DEPTH * VLAN_TAG_LEN;

impl HeaderOffsets {
    #[inline(always)]
    pub(crate) fn of(packet: &Packet) -> Self {
        Self(u64::from(packet.ip_offset) | u64::from(packet.tcp_offset) << 16 | (packet.family as u64) << 32)
    }

    /// Returns the offset of the TCP header, in bytes.
    #[inline(always)]
    pub(crate) fn tcp(self) -> usize {
        (self.0 >> 16) as usize & 0xffff
    }

    #[inline(always)]
    pub(crate) fn is_v6(self) -> bool {
        self.0 >> 32 == V6
    }

    /// Returns the length of the IP header, in bytes, if neither IP options nor extension headers precede a complete TCP
    /// header.
    #[inline(always)]
    pub(crate) fn plain_ip_length(self) -> Option<usize> {
        let (ip, tcp) = (self.0 & 0xffff, self.0 >> 16 & 0xffff);
        let length = match self.0 >> 32 {
            V4 => Ipv4Hdr::LEN,
            V6 => Ipv6Hdr::LEN,
            _ => return None,
        };
        (tcp == ip + length as u64 && ip <= IP_OFFSET_MAX as u64).then_some(length)
    }
}

const V4: u64 = Family::V4 as u64;
const V6: u64 = Family::V6 as u64;

/// The offset of the IP header of a plain packet. The family is a type parameter: each has code of its own, so the
/// verifier does not have to prove that a packet is not of both.
#[derive(Clone, Copy)]
pub(crate) struct PlainHeaders<const IS_V6: bool>(u64);

impl<const IS_V6: bool> PlainHeaders<IS_V6> {
    /// Length of the IP header, in bytes.
    pub(crate) const IP_LENGTH: usize = if IS_V6 { Ipv6Hdr::LEN } else { Ipv4Hdr::LEN };
    /// Length of both headers without TCP options, in bytes.
    pub(crate) const LENGTH: usize = Self::IP_LENGTH + TcpHdr::LEN;

    /// Returns the headers of a packet for which [`HeaderOffsets::plain_ip_length`] has returned a length.
    #[inline(always)]
    pub(crate) fn at(offsets: HeaderOffsets) -> Self {
        Self(offsets.0)
    }

    /// Returns the offset of the IP header, in bytes.
    #[inline(always)]
    pub(crate) fn ip_offset(self) -> usize {
        const MASK: usize = 0x1f;
        const { assert!(IP_OFFSET_MAX <= MASK) };
        self.0 as usize & MASK
    }

    /// Returns the bytes of both headers.
    #[inline(always)]
    pub(crate) fn read(self, ctx: &XdpContext) -> Option<Header> {
        header(ctx, self.ip_offset(), Self::LENGTH)
    }
}

impl SynHeaders {
    /// Reads the fields. Returns `None` if an address is one to which no SYN-ACK may be sent, or if the packet is a
    /// fragment or has FIN set.
    #[inline(always)]
    pub(crate) fn read<const V6: bool>(ctx: &XdpContext, headers: PlainHeaders<V6>) -> Option<Self> {
        const GROUP: u8 = 1;
        let ethernet = header(ctx, 0, EthHdr::LEN)?;
        let macs: u8 = ethernet.read::<u8>(offset_of!(EthHdr, dst_addr))
            | ethernet.read::<u8>(offset_of!(EthHdr, src_addr));
        if macs & GROUP != 0 {
            return None;
        }
        let neighbour = read_neighbour(ctx, ethernet, headers.ip_offset())?;
        let ip = headers.read(ctx)?;
        let syn = if V6 { read_v6(ip, neighbour)? } else { read_v4(ip, neighbour)? };
        // A host does not send itself packets through a device.
        (!syn.source.equals(&syn.destination)).then_some(syn)
    }
}

/// Reads the neighbour of a frame from its source MAC address and its two outermost VLAN tags.
#[inline(always)]
fn read_neighbour(ctx: &XdpContext, ethernet: Header, ip_offset: usize) -> Option<u64> {
    const FROM: usize = offset_of!(EthHdr, src_addr);
    let mut tags = [0u16; 2];
    if ip_offset >= EthHdr::LEN + VLAN_TAG_LEN {
        tags[0] = u16::from_be(header(ctx, EthHdr::LEN, 2)?.read(0));
    }
    if ip_offset >= EthHdr::LEN + 2 * VLAN_TAG_LEN {
        tags[1] = u16::from_be(header(ctx, EthHdr::LEN + VLAN_TAG_LEN, 2)?.read(0));
    }
    let neighbour = listener::neighbour(ethernet.read(FROM), ethernet.read(FROM + 4), tags[0], tags[1]);
    Some(maps::make_unknown(maps::cpu_state()?, neighbour))
}

#[inline(always)]
fn read_v4(ip: Header, neighbour: u64) -> Option<SynHeaders> {
    const FRAGMENT: u16 = 0x3fffu16.to_be();
    let fragment: u16 = ip.read(offset_of!(Ipv4Hdr, frags));
    if fragment & FRAGMENT != 0 {
        return None;
    }
    let source = Addr::from_v4(ip.read(offset_of!(Ipv4Hdr, src_addr)));
    let destination = Addr::from_v4(ip.read(offset_of!(Ipv4Hdr, dst_addr)));
    let tos: u8 = ip.read(offset_of!(Ipv4Hdr, tos));
    if !is_host_v4(source) || !is_host_v4(destination) {
        return None;
    }
    read_tcp(ip, Ipv4Hdr::LEN, [source, destination], neighbour, tos & 3 != 0)
}

/// Reports whether a host on a network may have the address: it is not of 0/8, 127/8, multicast or reserved.
#[inline(always)]
fn is_host_v4(address: Addr) -> bool {
    let [first, ..] = address.v4().to_ne_bytes();
    first != 0 && first != 127 && first < 224
}

#[inline(always)]
fn read_v6(ip: Header, neighbour: u64) -> Option<SynHeaders> {
    let read = |at: usize| Addr([ip.read(at), ip.read(at + 8)]);
    let source = read(offset_of!(Ipv6Hdr, src_addr));
    let destination = read(offset_of!(Ipv6Hdr, dst_addr));
    // The two lowest bits of the traffic class, which starts in the middle of the first byte.
    let ecn = ip.read::<u8>(1) >> 4 & 3;
    if !is_host_v6(source) || !is_host_v6(destination) {
        return None;
    }
    read_tcp(ip, Ipv6Hdr::LEN, [source, destination], neighbour, ecn != 0)
}

/// Reports whether a host on a network may have the address: it is not multicast, unspecified, loopback, or a form of an
/// IPv4 address; and not link-local, as several links may have the same such address.
#[inline(always)]
fn is_host_v6(address: Addr) -> bool {
    let [first, second, ..] = address.0[0].to_ne_bytes();
    first != 0xff && address.0[0] != 0 && !(first == 0xfe && second & 0xc0 == 0x80)
}

#[inline(always)]
fn read_tcp(
    ip: Header,
    at: usize,
    [source, destination]: [Addr; 2],
    neighbour: u64,
    marked: bool,
) -> Option<SynHeaders> {
    const FLAGS: usize = 13;
    /// ECE and CWR.
    const ECN_SETUP: u8 = 0xc0;
    let set: u8 = ip.read(at + FLAGS);
    if set & flags::FIN != 0 {
        return None;
    }
    let fields = SynFields {
        ports: u32::from_be(ip.read(at)),
        sequence: u32::from_be(ip.read(at + offset_of!(TcpHdr, seq))),
        ecn: set & ECN_SETUP == ECN_SETUP && !marked,
    };
    Some(SynHeaders { source, destination, neighbour, fields })
}
