//! Addresses that must not be locked out: they are never blocked automatically, and by hand only with `--force`.
//!
//! They are this host's own addresses, its default gateways and resolvers, the peers of its SSH sessions, and loopback.
//! [`ProtectedSet`] is pure; [`current`] reads the kernel and files for the process's own network namespace.

mod resolver;
mod set;
mod ssh;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    path::Path,
};

use anyhow::Result;
use ipnet::{IpNet, Ipv4Net};

pub use self::set::{BlockConflict, ProtectedAddr, ProtectedSet, Role, conflicts};
use crate::netlink::{self, address, route};

/// The addresses that are protected at one time.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub set: ProtectedSet,
    /// One line for each part that could not be read, with the consequence.
    pub warnings: Vec<String>,
}

/// Adds protected addresses to the list. Those that were added before an error stay.
type PartReader = fn(&mut Vec<ProtectedAddr>) -> Result<()>;

const PARTS: [(&str, PartReader); 4] = [
    ("this host's addresses", own_addresses),
    ("default gateways", default_gateways),
    ("resolvers", |found| resolver::list_resolvers(Path::new("/"), found)),
    ("peers of SSH sessions", ssh::peers),
];

/// Returns the addresses that are protected now. A part that cannot be read adds a warning; the others count.
pub fn current() -> Protection {
    read_parts(&PARTS)
}

fn read_parts(parts: &[(&str, PartReader)]) -> Protection {
    let mut found = vec![
        ProtectedAddr::prefix(
            Ipv4Net::new_assert([127, 0, 0, 0].into(), 8).into(),
            Role::Loopback,
            "loopback",
        ),
        ProtectedAddr::address(Ipv6Addr::LOCALHOST.into(), Role::Loopback, "loopback"),
    ];
    let warnings = parts
        .iter()
        .filter_map(|(part, read)| {
            let error = read(&mut found).err()?;
            Some(format!("{part} may be blocked, because not all of them could be read: {error:#}"))
        })
        .collect();
    Protection { set: ProtectedSet::new(found), warnings }
}

/// Adds the host's own addresses, and the other ends of its point-to-point links: where a route names only a device,
/// the other end is the gateway.
fn own_addresses(found: &mut Vec<ProtectedAddr>) -> Result<()> {
    let mut addresses = Vec::new();
    let result = address::list_addresses(&mut addresses);
    let mut names = HashMap::new();
    for address in addresses.iter().filter(|address| is_usable(&address.ip)) {
        let name = names.entry(address.interface).or_insert_with(|| interface_name(address.interface));
        found.push(ProtectedAddr::address(
            address.ip,
            Role::Own,
            format!("an address of this host ({name})"),
        ));
        if let Some(peer) = address.peer.filter(is_usable) {
            let description = format!("the other end of the link {name}");
            found.push(ProtectedAddr::address(peer, Role::Gateway, description));
        }
    }
    result
}

/// Returns the networks of this host's interfaces: its neighbours, who may be blocked one by one.
///
/// # Errors
///
/// If the addresses cannot be listed.
pub fn networks() -> Result<ProtectedSet> {
    let mut addresses = Vec::new();
    address::list_addresses(&mut addresses)?;
    let network = |address: &address::InterfaceAddr| {
        let net = IpNet::new(address.ip, address.prefix_length).ok()?;
        let name = interface_name(address.interface);
        let is_network = net.prefix_len() < net.max_prefix_len() && !address.ip.is_loopback();
        is_network.then(|| ProtectedAddr::prefix(net, Role::Own, format!("a network of this host ({name})")))
    };
    Ok(ProtectedSet::new(addresses.iter().filter_map(network)))
}

/// Returns an interface's name, or its index if the interface has disappeared.
fn interface_name(interface: u32) -> String {
    let found = netlink::interface_by_index(interface).ok().flatten();
    found.map_or_else(|| format!("interface {interface}"), |interface| interface.name)
}

fn default_gateways(found: &mut Vec<ProtectedAddr>) -> Result<()> {
    let mut gateways = Vec::new();
    let result = route::default_gateways(&mut gateways);
    let protected = |ip| ProtectedAddr::address(ip, Role::Gateway, "a default gateway");
    found.extend(gateways.into_iter().filter(is_usable).map(protected));
    result
}

/// Reports whether a host can have that address: the unspecified address stands for "none" and "any".
fn is_usable(ip: &IpAddr) -> bool {
    !ip.to_canonical().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_part_is_named_and_hides_no_other() {
        fn address(found: &mut Vec<ProtectedAddr>, low: u8) {
            found.push(ProtectedAddr::address([192, 0, 2, low].into(), Role::Resolver, "a resolver"));
        }
        let fails: PartReader = |found| {
            address(found, 1);
            anyhow::bail!("no such luck")
        };
        let works: PartReader = |found| {
            address(found, 2);
            Ok(())
        };
        let current = read_parts(&[("first things", fails), ("second things", works)]);
        assert_eq!(
            current.warnings,
            ["first things may be blocked, because not all of them could be read: no such luck"]
        );
        let prefixes: Vec<_> = current.set.iter().map(|addr| addr.prefix.to_string()).collect();
        assert_eq!(prefixes, ["::1/128", "127.0.0.0/8", "192.0.2.1/32", "192.0.2.2/32"]);
    }
}
