//! Cuts what must not be blocked out of the entries of somebody else's list: a hole in the covering prefix, not the loss of
//! it. Pure.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use synguard_kernel::protected::{ProtectedAddr, ProtectedSet, Role};
use synguard_model::{ip_prefix::Target, list_entry::Entry};

use crate::format::file;

/// The addresses at which clouds serve metadata and credentials to their machines.
const METADATA: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128)),
];

/// What imports leave out.
#[derive(Clone, Debug, Default)]
pub struct Holes {
    /// Left out wherever they are.
    addresses: ProtectedSet,
    /// Left out of prefixes that cover them: an entry for a neighbour means the neighbour.
    networks: ProtectedSet,
}

/// Entries after the cut.
#[derive(Clone, Debug)]
pub struct CutEntries {
    /// Sorted by target.
    pub entries: Vec<Entry>,
    /// The parts of the list that were left out, with their descriptions.
    pub left_out: BTreeMap<IpNet, String>,
}

impl Holes {
    /// Returns the holes for protected addresses and this host's networks, with those for the addresses of metadata.
    pub fn new(addresses: &ProtectedSet, networks: ProtectedSet) -> Self {
        let metadata = METADATA.map(|net| ProtectedAddr::prefix(net, Role::Gateway, "metadata of a cloud"));
        Self { addresses: ProtectedSet::new(addresses.iter().cloned().chain(metadata)), networks }
    }

    /// Cuts the holes out of sorted entries.
    pub fn cut(&self, entries: Vec<Entry>) -> CutEntries {
        let mut cut = CutEntries { entries: Vec::with_capacity(entries.len()), left_out: BTreeMap::new() };
        for entry in entries {
            let net = entry.target.net();
            let holes = self.within(net);
            if holes.is_empty() {
                cut.entries.push(entry);
                continue;
            }
            let nets: Vec<IpNet> = holes.iter().map(|hole| hole.prefix).collect();
            let rest = without(net, &nets).into_iter().map(Target::from);
            cut.entries.extend(rest.map(|target| Entry { target, ..entry.clone() }));
            cut.left_out.extend(holes.iter().map(|hole| (hole.prefix, hole.description.clone())));
        }
        file::sort(&mut cut.entries);
        cut
    }

    fn within(&self, net: IpNet) -> Vec<&ProtectedAddr> {
        let addresses = self.addresses.conflict(net).into_iter().flat_map(|conflict| conflict.protected);
        let networks = self.networks.conflict(net).into_iter().flat_map(|conflict| conflict.protected);
        addresses.chain(networks.filter(|network| net.contains(&network.prefix))).collect()
    }
}

/// Reports whether a prefix is wider than a list of attackers can mean: wider than /8, or /16 of IPv6, and not only of
/// addresses that are no single host's or that are never routed. A line that was cut off in transit may be so.
pub fn is_too_wide(net: IpNet) -> bool {
    /// Multicast and reserved addresses, which FireHOL lists as one prefix.
    const RESERVED: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3);
    /// All of the Internet's IPv6 addresses so far.
    const GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    match net {
        IpNet::V4(net) => net.prefix_len() < 8 && !RESERVED.contains(&net),
        IpNet::V6(net) => net.prefix_len() < 16 && (net.contains(&GLOBAL) || GLOBAL.contains(&net)),
    }
}

/// Returns the prefixes that together have all addresses of `net` except those in `holes`, in ascending order.
fn without(net: IpNet, holes: &[IpNet]) -> Vec<IpNet> {
    if holes.iter().any(|hole| hole.contains(&net)) {
        return Vec::new();
    }
    let inside: Vec<IpNet> = holes.iter().copied().filter(|hole| net.contains(hole)).collect();
    if inside.is_empty() {
        return vec![net];
    }
    // A hole inside the prefix makes it longer than none, so that it has halves.
    net.subnets(net.prefix_len() + 1).into_iter().flatten().flat_map(|half| without(half, &inside)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_model::list_entry::{Origin, Scope};

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn half_the_internet_is_too_wide() {
        let too_wide =
            ["0.0.0.0/0", "128.0.0.0/1", "185.0.0.0/7", "192.0.0.0/2", "::/0", "2000::/3", "2001::/15"];
        assert!(too_wide.into_iter().all(|text| is_too_wide(net(text).trunc())));
        let usual = ["10.0.0.0/8", "224.0.0.0/3", "240.0.0.0/4", "2001::/16", "fc00::/7", "192.0.2.1/32"];
        assert!(!usual.into_iter().any(|text| is_too_wide(net(text))));
    }

    #[test]
    fn hole_leaves_the_rest_of_its_prefix() {
        let rest = without(net("10.0.0.0/29"), &[net("10.0.0.5/32")]);
        let expected = ["10.0.0.0/30", "10.0.0.4/32", "10.0.0.6/31"].map(net);
        assert_eq!(rest, expected);
        assert_eq!(without(net("10.0.0.0/8"), &[net("11.0.0.1/32"), net("::1/128")]), [net("10.0.0.0/8")]);
        assert_eq!(without(net("10.0.0.0/24"), &[net("10.0.0.0/8")]), []);
        assert_eq!(without(net("10.0.0.5/32"), &[net("10.0.0.5/32")]), []);
        assert_eq!(without(net("::/0"), &[net("::1/128")]).len(), 128);
        assert_eq!(without(net("10.0.0.0/8"), &[net("10.0.0.0/24"), net("10.0.0.1/32")]).len(), 16);
    }

    #[test]
    fn neighbour_may_be_listed_but_not_the_whole_network() {
        let protected = |net_text: &str| ProtectedAddr::prefix(net(net_text), Role::Own, "ours");
        let addresses = ProtectedSet::new([protected("10.0.0.5/32"), protected("127.0.0.0/8")]);
        let holes = Holes::new(&addresses, ProtectedSet::new([protected("10.0.0.0/24")]));
        let cut = |text: &str| {
            let entry = Entry {
                target: Target::from(net(text)),
                scope: Scope::default(),
                origin: Origin::default(),
                reason: None,
                created_ms: 7,
                expires_ms: None,
            };
            let cut = holes.cut(vec![entry]);
            assert!(cut.entries.iter().all(|entry| entry.created_ms == 7));
            (
                cut.entries.len(),
                cut.left_out.into_keys().map(|net| net.to_string()).collect::<Vec<_>>().join(" "),
            )
        };
        for (text, entries, left_out) in [
            ("10.0.0.77/32", 1, ""),
            ("10.0.0.5/32", 0, "10.0.0.5/32"),
            ("10.0.0.0/24", 0, "10.0.0.0/24 10.0.0.5/32"),
            ("10.0.0.0/8", 16, "10.0.0.0/24 10.0.0.5/32"),
            ("127.0.0.1/32", 0, "127.0.0.0/8"),
            ("169.254.0.0/16", 16, "169.254.169.254/32"),
            ("1.10.16.0/20", 1, ""),
        ] {
            assert_eq!(cut(text), (entries, left_out.to_owned()), "{text}");
        }
    }

    /// Prefixes near each other, so that they often overlap.
    fn nearby() -> impl Strategy<Value = IpNet> {
        (22_u8..=32, 0_u32..1024).prop_map(|(length, host)| {
            let address = Ipv4Addr::from_bits(0x0a00_0000 | host);
            IpNet::new(address.into(), length).expect("a length").trunc()
        })
    }

    proptest! {
        /// Each address is covered exactly once if it is in the prefix and in no hole, and otherwise not at all.
        #[test]
        fn cover_is_exact(whole in nearby(), holes in prop::collection::vec(nearby(), 0..5)) {
            let rest = without(whole, &holes);
            for host in 0_u32..1024 {
                let address = std::net::IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 | host));
                let is_wanted = whole.contains(&address) && !holes.iter().any(|hole| hole.contains(&address));
                let covering = rest.iter().filter(|part| part.contains(&address)).count();
                prop_assert_eq!(covering, usize::from(is_wanted), "{}", address);
            }
            prop_assert!(IpNet::aggregate(&rest) == rest, "not the fewest prefixes");
            prop_assert!(rest.is_sorted());
        }
    }
}
