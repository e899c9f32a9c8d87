//! Frames for tests, written as one reads them: [`Packet::eth`], then one call for each header, outermost first.
//!
//! Lengths, types and checksums are right unless a call says otherwise, so a row of a test differs from a valid
//! frame in what it names and in nothing else.

mod layer;
mod tcp;

use std::fmt::Display;

use self::layer::Layer;
pub use self::tcp::flags;

/// IPv6 extension headers and protocols that [`Packet::ext`] and [`Packet::protocol`] are used with.
pub mod protocol {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header.
    pub const AUTHENTICATION: u8 = 51;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
    /// Mobility header.
    pub const MOBILITY: u8 = 135;
    /// Host identity protocol.
    pub const HIP: u8 = 139;
    /// Shim6.
    pub const SHIM6: u8 = 140;
    /// TCP, which is no extension.
    pub const TCP: u8 = 6;
}

/// A frame in the making.
#[derive(Clone, Debug)]
pub struct Packet {
    layers: Vec<Layer>,
    patches: Vec<(usize, Vec<u8>)>,
    length: Option<usize>,
}

impl Packet {
    /// Starts an Ethernet frame. Its type is that of the next header.
    #[must_use]
    pub fn eth() -> Self {
        Self { layers: vec![Layer::Ethernet], patches: Vec::new(), length: None }
    }

    /// An 802.1Q tag.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.vlan_tpid(0x8100, id)
    }

    /// A tag of any kind: 0x88a8 for 802.1ad, 0x9100 for the QinQ before it.
    #[must_use]
    pub fn vlan_tpid(self, tpid: u16, id: u16) -> Self {
        self.layer(Layer::Vlan { tpid, id })
    }

    /// Sets the Ethernet type, whatever header follows.
    #[must_use]
    pub fn ethertype(self, ethertype: u16) -> Self {
        self.layer(Layer::EtherType(ethertype))
    }

    /// An ARP request.
    #[must_use]
    pub fn arp(self) -> Self {
        self.layer(Layer::Arp)
    }

    /// An IPv4 header.
    ///
    /// # Panics
    /// When an address is none.
    #[must_use]
    pub fn ipv4(self, source: impl Display, destination: impl Display) -> Self {
        let (source, destination) = (address(&source), address(&destination));
        self.layer(Layer::Ipv4 { source, destination, options: Vec::new(), ihl: None, fragment: 0 })
    }

    /// Options of the IPv4 header, padded to four bytes with the end-of-options option.
    ///
    /// # Panics
    /// Without an IPv4 header, or over 40 bytes.
    #[must_use]
    pub fn ip_options(mut self, bytes: &[u8]) -> Self {
        assert!(bytes.len() <= 40, "IPv4 has room for 40 bytes of options");
        match self.last() {
            Layer::Ipv4 { options, .. } => *options = padded(bytes),
            other => panic!("{other:?} has no IPv4 options"),
        }
        self
    }

    /// A wrong header length for the IPv4 header, in words of four bytes.
    ///
    /// # Panics
    /// Without an IPv4 header.
    #[must_use]
    pub fn ihl(mut self, words: u8) -> Self {
        match self.last() {
            Layer::Ipv4 { ihl, .. } => *ihl = Some(words),
            other => panic!("{other:?} has no IHL"),
        }
        self
    }

    /// Makes the IPv4 packet a fragment at an offset in units of eight bytes.
    ///
    /// # Panics
    /// Without an IPv4 header.
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        match self.last() {
            Layer::Ipv4 { fragment, .. } => *fragment = offset & 0x1fff | u16::from(more) << 13,
            other => panic!("{other:?} is no IPv4 header"),
        }
        self
    }

    /// An IPv6 header.
    ///
    /// # Panics
    /// When an address is none.
    #[must_use]
    pub fn ipv6(self, source: impl Display, destination: impl Display) -> Self {
        self.layer(Layer::Ipv6 { source: address(&source), destination: address(&destination) })
    }

    /// Hop-by-hop options: eight bytes of padding.
    #[must_use]
    pub fn hop_by_hop(self) -> Self {
        self.ext(protocol::HOP_BY_HOP, 0)
    }

    /// A routing header of eight bytes.
    #[must_use]
    pub fn routing(self) -> Self {
        self.ext(protocol::ROUTING, 0)
    }

    /// Destination options: eight bytes of padding.
    #[must_use]
    pub fn dest_opts(self) -> Self {
        self.ext(protocol::DESTINATION, 0)
    }

    /// An IPv6 fragment header with an offset in units of eight bytes.
    #[must_use]
    pub fn ipv6_fragment(self, offset: u16, more: bool) -> Self {
        let position = (offset << 3 | u16::from(more)).to_be_bytes();
        let bytes = vec![0, 0, position[0], position[1], 0x12, 0x34, 0x56, 0x78];
        self.layer(Layer::Extension { kind: protocol::FRAGMENT, bytes })
    }

    /// An authentication header with a check value of 12 bytes.
    #[must_use]
    pub fn auth_header(self) -> Self {
        self.ext(protocol::AUTHENTICATION, 4)
    }

    /// An extension header of any kind with any length field: `(units + 1) * 8` bytes, an authentication header
    /// `(units + 2) * 4`, a fragment header always 8.
    #[must_use]
    pub fn ext(self, kind: u8, units: u8) -> Self {
        self.layer(Layer::extension(kind, units))
    }

    /// Sets the protocol, whatever header follows.
    #[must_use]
    pub fn protocol(self, protocol: u8) -> Self {
        self.layer(Layer::Protocol(protocol))
    }

    /// A UDP header.
    #[must_use]
    pub fn udp(self, source: u16, destination: u16) -> Self {
        self.layer(Layer::Udp { source, destination })
    }

    /// An ICMP echo request.
    #[must_use]
    pub fn icmp(self) -> Self {
        self.layer(Layer::Icmp)
    }

    /// An ICMPv6 echo request.
    #[must_use]
    pub fn icmpv6(self) -> Self {
        self.layer(Layer::Icmpv6)
    }

    /// Bytes as they are.
    #[must_use]
    pub fn payload(self, bytes: &[u8]) -> Self {
        self.layer(Layer::Payload(bytes.to_vec()))
    }

    /// Overwrites bytes of the finished frame, checksums and all.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.patches.push((offset, bytes.to_vec()));
        self
    }

    /// Cuts the finished frame to `length` bytes. Length fields and checksums stay those of the whole.
    #[must_use]
    pub fn truncate(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// The bytes, from the Ethernet header.
    ///
    /// # Panics
    /// When a patch lies beyond the frame.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut frame = layer::encode(&self.layers);
        for (offset, bytes) in &self.patches {
            frame[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        frame.truncate(self.length.unwrap_or(frame.len()));
        frame
    }

    /// Lists the offsets of the bytes that decide on the frame's class and sender: types, lengths, fragment offsets,
    /// the ends of source addresses, destination ports and flags.
    #[must_use]
    pub fn decisive_offsets(&self) -> Vec<usize> {
        layer::decisive_offsets(&self.layers)
    }

    fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    fn last(&mut self) -> &mut Layer {
        // `eth` puts the first one there and nothing takes any away.
        let last = self.layers.len() - 1;
        &mut self.layers[last]
    }
}

fn address<T: std::str::FromStr>(text: &impl Display) -> T {
    text.to_string().parse().unwrap_or_else(|_| panic!("{text} is no address of this family"))
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests;
