//! The headers of a [`super::Packet`] and their bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::checksum::Sum16BitWords;

use super::protocol;

/// One header, or a type number for the bytes that follow.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    Ethernet,
    Vlan {
        tpid: u16,
        id: u16,
    },
    EtherType(u16),
    Arp,
    Ipv4 {
        source: Ipv4Addr,
        destination: Ipv4Addr,
        options: Vec<u8>,
        ihl: Option<u8>,
        fragment: u16,
    },
    Ipv6 {
        source: Ipv6Addr,
        destination: Ipv6Addr,
    },
    Extension {
        kind: u8,
        bytes: Vec<u8>,
    },
    Protocol(u8),
    Tcp {
        source: u16,
        destination: u16,
        sequence: u32,
        acknowledgement: u32,
        flags: u8,
        options: Vec<u8>,
        data_offset: Option<u8>,
    },
    Udp {
        source: u16,
        destination: u16,
    },
    Icmp,
    Icmpv6,
    Payload(Vec<u8>),
}

/// Type for local experiments (IEEE 802, RFC 3692), for a payload whose type the test does not set.
const ETHERTYPE_NONE: u16 = 0x88b5;
const PROTOCOL_NONE: u8 = 253;
const TTL: u8 = 64;
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
/// An ARP request for 192.0.2.1, from 192.0.2.2.
const ARP: [u8; 28] =
    [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1];

/// The bytes of a frame.
pub(super) fn encode(layers: &[Layer]) -> Vec<u8> {
    let mut following = Vec::new();
    for (i, layer) in layers.iter().enumerate().rev() {
        let mut bytes = layer.bytes(layers.get(i + 1), &following, pseudo_header(&layers[..i]));
        bytes.append(&mut following);
        following = bytes;
    }
    following
}

/// Lists the offsets of the bytes that decide on a frame's class and sender.
pub(super) fn decisive_offsets(layers: &[Layer]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut start = 0;
    for layer in layers {
        let within: &[usize] = match layer {
            Layer::Ethernet => &[12, 13],
            Layer::Vlan { .. } => &[2, 3],
            // With the source's last byte, and that of its /64.
            Layer::Ipv4 { .. } => &[0, 6, 7, 9, 15],
            Layer::Ipv6 { .. } => &[0, 6, 15, 23],
            Layer::Extension { .. } => &[0, 1, 2, 3],
            Layer::Tcp { .. } => &[2, 3, 12, 13],
            _ => &[],
        };
        offsets.extend(within.iter().map(|offset| start + offset));
        start += layer.bytes(None, &[], Sum16BitWords::new()).len();
    }
    offsets
}

/// Sums the pseudo-header's addresses for the checksum of a TCP, UDP or ICMPv6 header (RFC 9293 section 3.1, RFC 8200
/// section 8.1): those of the innermost IP header.
fn pseudo_header(outer: &[Layer]) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    match outer.iter().rfind(|layer| matches!(layer, Layer::Ipv4 { .. } | Layer::Ipv6 { .. })) {
        Some(Layer::Ipv4 { source, destination, .. }) => {
            sum.add_4bytes(source.octets()).add_4bytes(destination.octets())
        }
        Some(Layer::Ipv6 { source, destination }) => {
            sum.add_16bytes(source.octets()).add_16bytes(destination.octets())
        }
        _ => sum,
    }
}

impl Layer {
    pub(super) fn extension(kind: u8, units: u8) -> Self {
        let units = usize::from(units);
        let length = match kind {
            protocol::FRAGMENT => 8,
            protocol::AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        let mut bytes = vec![0; length];
        bytes[1] = units as u8;
        if matches!(kind, protocol::HOP_BY_HOP | protocol::DESTINATION) {
            for option in bytes[2..].chunks_mut(257) {
                match option {
                    // Pad1 is a zero byte; PadN a one, then the number of the zeros that follow.
                    [_] => {}
                    option => {
                        option[0] = 1;
                        option[1] = (option.len() - 2) as u8;
                    }
                }
            }
        }
        Self::Extension { kind, bytes }
    }

    /// Returns this layer's `EtherType`, which a link header before it carries.
    fn ethertype(&self) -> u16 {
        match self {
            Self::Vlan { tpid, .. } => *tpid,
            Self::EtherType(ethertype) => *ethertype,
            Self::Arp => 0x0806,
            Self::Ipv4 { .. } => 0x0800,
            Self::Ipv6 { .. } => 0x86dd,
            _ => ETHERTYPE_NONE,
        }
    }

    /// Returns this layer's protocol number, which an IP header before it carries.
    fn protocol(&self) -> u8 {
        match self {
            Self::Protocol(protocol) => *protocol,
            Self::Extension { kind, .. } => *kind,
            Self::Ipv4 { .. } => 4,
            Self::Ipv6 { .. } => 41,
            Self::Tcp { .. } => protocol::TCP,
            Self::Udp { .. } => 17,
            Self::Icmp => 1,
            Self::Icmpv6 => 58,
            _ => PROTOCOL_NONE,
        }
    }

    fn bytes(&self, next: Option<&Self>, following: &[u8], pseudo: Sum16BitWords) -> Vec<u8> {
        let ethertype = next.map_or(ETHERTYPE_NONE, Self::ethertype).to_be_bytes();
        let protocol = next.map_or(PROTOCOL_NONE, Self::protocol);
        match self {
            Self::Ethernet => [&MACS[..], &ethertype].concat(),
            Self::Vlan { id, .. } => [id.to_be_bytes(), ethertype].concat(),
            Self::EtherType(_) | Self::Protocol(_) => Vec::new(),
            Self::Arp => ARP.to_vec(),
            Self::Ipv4 { source, destination, options, ihl, fragment } => {
                let words = 5 + options.len() / 4;
                let length = (words * 4 + following.len()) as u16;
                let mut bytes = vec![0x40 | ihl.unwrap_or(words as u8) & 0xf, 0];
                bytes.extend(length.to_be_bytes());
                bytes.extend([0x12, 0x34]);
                bytes.extend(fragment.to_be_bytes());
                bytes.extend([TTL, protocol, 0, 0]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes.extend(options);
                with_checksum(bytes, 10, Sum16BitWords::new(), &[])
            }
            Self::Ipv6 { source, destination } => {
                let mut bytes = vec![0x60, 0, 0, 0];
                bytes.extend((following.len() as u16).to_be_bytes());
                bytes.extend([protocol, TTL]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes
            }
            Self::Extension { bytes, .. } => [&[protocol], &bytes[1..]].concat(),
            Self::Tcp { source, destination, sequence, acknowledgement, flags, options, data_offset } => {
                let words = 5 + options.len() / 4;
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.extend(sequence.to_be_bytes());
                bytes.extend(acknowledgement.to_be_bytes());
                bytes.extend([data_offset.unwrap_or(words as u8) << 4, *flags, 0xfa, 0xf0, 0, 0, 0, 0]);
                bytes.extend(options);
                let length = (bytes.len() + following.len()) as u16;
                let pseudo = pseudo.add_2bytes([0, protocol::TCP]).add_2bytes(length.to_be_bytes());
                with_checksum(bytes, 16, pseudo, following)
            }
            Self::Udp { source, destination } => {
                let length = ((8 + following.len()) as u16).to_be_bytes();
                let bytes = [source.to_be_bytes(), destination.to_be_bytes(), length, [0, 0]].concat();
                let pseudo = pseudo.add_2bytes([0, 17]).add_2bytes(length);
                with_checksum(bytes, 6, pseudo, following)
            }
            Self::Icmp => with_checksum(vec![8, 0, 0, 0, 0, 1, 0, 1], 2, Sum16BitWords::new(), following),
            Self::Icmpv6 => {
                let length = ((8 + following.len()) as u16).to_be_bytes();
                let pseudo = pseudo.add_2bytes([0, 58]).add_2bytes(length);
                with_checksum(vec![128, 0, 0, 0, 0, 1, 0, 1], 2, pseudo, following)
            }
            Self::Payload(bytes) => bytes.clone(),
        }
    }
}

/// Writes the Internet checksum (RFC 1071) of a header and its payload at `offset` of the header.
fn with_checksum(mut header: Vec<u8>, offset: usize, pseudo: Sum16BitWords, following: &[u8]) -> Vec<u8> {
    // All headers are of even length, so the sums may be added.
    let sum = pseudo.add_slice(&header).add_slice(following).ones_complement();
    // Already in network order: the sum is over words as they lie in memory.
    header[offset..offset + 2].copy_from_slice(&sum.to_ne_bytes());
    header
}
