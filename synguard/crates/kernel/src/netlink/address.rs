//! The addresses of all interfaces.

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
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The address at the other end, if the link is point to point.
    pub peer: Option<IpAddr>,
    /// The interface's index.
    pub interface: u32,
}

/// Adds the addresses of all interfaces to `found`.
///
/// # Errors
///
/// If the kernel cannot be asked, or an answer is not understood: `found` has what was.
pub fn list(found: &mut Vec<Address>) -> Result<()> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    dump(NETLINK_ROUTE, all, |message| {
        if let RouteNetlinkMessage::NewAddress(message) = message {
            found.extend(address(&message));
        }
    })
    .context("list addresses")
}

/// `Local` is the interface's own address, and `Address` the peer's, but IPv6 leaves `Local` out if there is no
/// peer.
fn address(message: &AddressMessage) -> Option<Address> {
    let (mut address, mut local) = (None, None);
    for attribute in &message.attributes {
        match *attribute {
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Local(ip) => local = Some(ip),
            _ => {}
        }
    }
    let ip = local.or(address)?;
    Some(Address { ip, peer: address.filter(|&peer| peer != ip), interface: message.header.index })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_told_from_the_own_address() {
        use AddressAttribute::{Address as Peer, Local};
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let read = |attributes: Vec<AddressAttribute>| {
            let mut message = AddressMessage::default();
            message.attributes = attributes;
            address(&message).map(|address| (address.ip, address.peer))
        };
        let (own, peer) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(read(vec![Peer(own), Local(own)]), Some((own, None)));
        assert_eq!(read(vec![Peer(peer), Local(own)]), Some((own, Some(peer))));
        assert_eq!(read(vec![Peer(ip("2001:db8::1"))]), Some((ip("2001:db8::1"), None)));
        assert_eq!(read(vec![]), None);
    }
}
