//! The IP addresses of all interfaces.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::request::dump;

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddr {
    pub ip: IpAddr,
    /// The address of the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// The length of the prefix that the interface shares with its neighbours, or with the other end.
    pub prefix_length: u8,
    /// The index of the interface.
    pub interface: u32,
}

/// Adds the addresses of all interfaces to `found`. On an error `found` has the addresses that could be read.
pub fn list_addresses(found: &mut Vec<InterfaceAddr>) -> Result<()> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    dump(NETLINK_ROUTE, all, |message| {
        if let RouteNetlinkMessage::NewAddress(message) = message {
            found.extend(from_message(&message));
        }
    })
    .context("list addresses")
}

/// Returns the address in a message. The attribute `Local` is the interface's own address, and `Address` the peer's,
/// but IPv6 omits `Local` if there is no peer.
fn from_message(message: &AddressMessage) -> Option<InterfaceAddr> {
    let (mut address, mut local) = (None, None);
    for attribute in &message.attributes {
        match *attribute {
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Local(ip) => local = Some(ip),
            _ => {}
        }
    }
    let ip = local.or(address)?;
    let prefix_length = message.header.prefix_len;
    let interface = message.header.index;
    Some(InterfaceAddr { ip, peer: address.filter(|&peer| peer != ip), prefix_length, interface })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_and_own_address_are_distinguished() {
        use AddressAttribute::{Address as Peer, Local};
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let read = |attributes: Vec<AddressAttribute>| {
            let mut message = AddressMessage::default();
            message.attributes = attributes;
            from_message(&message).map(|address| (address.ip, address.peer))
        };
        let (own, peer) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(read(vec![Peer(own), Local(own)]), Some((own, None)));
        assert_eq!(read(vec![Peer(peer), Local(own)]), Some((own, Some(peer))));
        assert_eq!(read(vec![Peer(ip("2001:db8::1"))]), Some((ip("2001:db8::1"), None)));
        assert_eq!(read(vec![]), None);
    }
}
