//! Who must not be locked out: the addresses that are never blocked automatically, and by hand only by force.
//!
//! They are this host's own, its default gateways and resolvers, the peers of its SSH sessions, and loopback. The
//! [`Set`] is pure; [`current`] asks the kernel and the files for the process's own network namespace.

mod resolver;
mod set;
mod ssh;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    path::Path,
};

use anyhow::Result;
use ipnet::Ipv4Net;

pub use self::set::{Conflict, Protected, Role, Set, conflicts};
use crate::netlink::{self, address, route};

/// What is protected at one time.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The protected addresses.
    pub set: Set,
    /// For each part that could not be read, a line that names it and says what that means. To be shown as
    /// warnings.
    pub unread: Vec<String>,
}

/// Adds what it reads to the list, and what it has read stays if the rest fails.
type Read = fn(&mut Vec<Protected>) -> Result<()>;

const PARTS: [(&str, Read); 4] = [
    ("this host's addresses", own),
    ("default gateways", gateways),
    ("resolvers", |found| resolver::list(Path::new("/"), found)),
    ("peers of SSH sessions", ssh::peers),
];

/// What is protected now. A part that cannot be read is left out and named; the others count.
pub fn current() -> Current {
    read(&PARTS)
}

fn read(parts: &[(&str, Read)]) -> Current {
    let mut found = vec![
        Protected::net(Ipv4Net::new_assert([127, 0, 0, 0].into(), 8).into(), Role::Loopback, "loopback"),
        Protected::address(Ipv6Addr::LOCALHOST.into(), Role::Loopback, "loopback"),
    ];
    let unread = parts
        .iter()
        .filter_map(|(part, read)| {
            let error = read(&mut found).err()?;
            Some(format!("{part} may be blocked, for they could not all be read: {error:#}"))
        })
        .collect();
    Current { set: Set::new(found), unread }
}

/// The host's own addresses, and the other ends of its point-to-point links: those are its gateways where a route
/// names a device only.
fn own(found: &mut Vec<Protected>) -> Result<()> {
    let mut addresses = Vec::new();
    let result = address::list(&mut addresses);
    let mut names = HashMap::new();
    for address in addresses.iter().filter(|address| usable(&address.ip)) {
        let name = names.entry(address.interface).or_insert_with(|| name(address.interface));
        found.push(Protected::address(address.ip, Role::Own, format!("an address of this host ({name})")));
        if let Some(peer) = address.peer.filter(usable) {
            let why = format!("the other end of the link {name}");
            found.push(Protected::address(peer, Role::Gateway, why));
        }
    }
    result
}

/// An interface's name, or its number if it has gone meanwhile.
fn name(interface: u32) -> String {
    let found = netlink::by_index(interface).ok().flatten();
    found.map_or_else(|| format!("interface {interface}"), |interface| interface.name)
}

fn gateways(found: &mut Vec<Protected>) -> Result<()> {
    let mut gateways = Vec::new();
    let result = route::default_gateways(&mut gateways);
    let protected = |ip| Protected::address(ip, Role::Gateway, "a default gateway");
    found.extend(gateways.into_iter().filter(usable).map(protected));
    result
}

/// Whether somebody can be at that address: "none" and "any" are written as the unspecified one.
fn usable(ip: &IpAddr) -> bool {
    !ip.to_canonical().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_cannot_be_read_is_named_and_hides_no_other() {
        fn address(found: &mut Vec<Protected>, low: u8) {
            found.push(Protected::address([192, 0, 2, low].into(), Role::Resolver, "a resolver"));
        }
        let fails: Read = |found| {
            address(found, 1);
            anyhow::bail!("no such luck")
        };
        let works: Read = |found| {
            address(found, 2);
            Ok(())
        };
        let current = read(&[("first things", fails), ("second things", works)]);
        assert_eq!(
            current.unread,
            ["first things may be blocked, for they could not all be read: no such luck"]
        );
        let nets: Vec<_> = current.set.iter().map(|one| one.net.to_string()).collect();
        assert_eq!(nets, ["::1/128", "127.0.0.0/8", "192.0.2.1/32", "192.0.2.2/32"]);
    }
}
