//! The set of protected addresses, and the check of a block against it. Pure.

use std::{cmp::Reverse, fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

/// The relation of an address to this host. If an address has several roles, the first of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The peer of an SSH session.
    SshPeer,
    /// An address of this host.
    Own,
    /// A default gateway.
    Gateway,
    /// A DNS server.
    Resolver,
    /// An address through which the host talks to itself.
    Loopback,
}

/// An address or a prefix that must not be blocked by accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedAddr {
    /// Never an IPv4 address in IPv4-mapped form.
    pub prefix: IpNet,
    pub role: Role,
    /// The role in words that complete a sentence: `the peer of an SSH session (port 22)`.
    pub description: String,
}

impl ProtectedAddr {
    /// Protects one address.
    pub fn address(ip: IpAddr, role: Role, description: impl Into<String>) -> Self {
        Self::prefix(IpNet::from(ip), role, description)
    }

    /// Protects a prefix.
    pub fn prefix(prefix: IpNet, role: Role, description: impl Into<String>) -> Self {
        Self { prefix: canonical(prefix), role, description: description.into() }
    }
}

/// Protected addresses in ascending order. No two of them overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectedSet(Vec<ProtectedAddr>);

impl ProtectedSet {
    /// Builds the set from addresses in any order. An address inside another prefix is absorbed by it, and the
    /// descriptions of the same address are joined.
    pub fn new(all: impl IntoIterator<Item = ProtectedAddr>) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_cached_key(|addr| {
            let range = AddrRange::from(&addr.prefix);
            (range.first, Reverse(range.last), addr.role, addr.description.clone())
        });
        let mut kept: Vec<ProtectedAddr> = Vec::with_capacity(all.len());
        for addr in all {
            match kept.last_mut() {
                Some(last) if last.prefix == addr.prefix => {
                    if !last.description.split(" and ").any(|part| part == addr.description) {
                        last.description.push_str(" and ");
                        last.description.push_str(&addr.description);
                    }
                }
                Some(last) if AddrRange::from(&last.prefix).last >= AddrRange::from(&addr.prefix).last => {}
                _ => kept.push(addr),
            }
        }
        Self(kept)
    }

    /// Returns the protected addresses in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &ProtectedAddr> {
        self.0.iter()
    }

    /// Returns the protected addresses that a block of `target` would cover, or the protected prefix that contains
    /// `target`. Takes time in proportion to the logarithm of the set's size.
    pub fn conflict(&self, target: IpNet) -> Option<BlockConflict<'_>> {
        let range = AddrRange::from(&target);
        let begin = self.0.partition_point(|addr| AddrRange::from(&addr.prefix).last < range.first);
        let end = self.0.partition_point(|addr| AddrRange::from(&addr.prefix).first <= range.last);
        let protected = self.0.get(begin..end).filter(|addrs| !addrs.is_empty())?;
        Some(BlockConflict { target, protected })
    }
}

/// Returns the conflicts of all targets.
pub fn conflicts(
    targets: impl IntoIterator<Item = IpNet>,
    set: &ProtectedSet,
) -> impl Iterator<Item = BlockConflict<'_>> {
    targets.into_iter().filter_map(|target| set.conflict(target))
}

/// A target that must not be blocked. Its `Display` is one line with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockConflict<'a> {
    /// The target as the caller gave it.
    pub target: IpNet,
    /// The protected addresses that it would block: at least one.
    pub protected: &'a [ProtectedAddr],
}

impl fmt::Display for BlockConflict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.protected.iter().min_by_key(|addr| addr.role) else { return Ok(()) };
        let (prefix, target) = (ShortPrefix(first.prefix), ShortPrefix(self.target));
        let description = &first.description;
        let (blocked, protected) = (AddrRange::from(&self.target), AddrRange::from(&first.prefix));
        if blocked == protected {
            write!(f, "{target} is {description}")?;
        } else if blocked.first <= protected.first && blocked.last >= protected.last {
            write!(f, "{target} covers {prefix}, {description}")?;
        } else {
            write!(f, "{target} is inside {prefix}, {description}")?;
        }
        match self.protected.len() - 1 {
            0 => Ok(()),
            1 => f.write_str(", and 1 more protected address"),
            more => write!(f, ", and {more} more protected addresses"),
        }
    }
}

/// Displays a single address without its prefix length.
struct ShortPrefix(IpNet);

impl fmt::Display for ShortPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// The first and the last address of a prefix, with both families in one space: IPv4 is in IPv4-mapped form, as in the
/// datapath. Two prefixes nest or are disjoint; they never overlap partially.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AddrRange {
    first: u128,
    last: u128,
}

const MAPPED: u128 = 0xffff_0000_0000;
const MAPPED_LENGTH: u8 = 96;

impl From<&IpNet> for AddrRange {
    fn from(prefix: &IpNet) -> Self {
        let (address, length) = match prefix {
            IpNet::V4(net) => (MAPPED | u128::from(u32::from(net.addr())), MAPPED_LENGTH + net.prefix_len()),
            IpNet::V6(net) => (u128::from(net.addr()), net.prefix_len()),
        };
        let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        Self { first: address & !host, last: address | host }
    }
}

/// Returns the same prefix without host bits, and as IPv4 if it was in IPv4-mapped form.
fn canonical(prefix: IpNet) -> IpNet {
    let prefix = prefix.trunc();
    if let IpNet::V6(v6) = prefix
        && let Some(ip) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(MAPPED_LENGTH)
        && let Ok(v4) = Ipv4Net::new(ip, length)
    {
        return IpNet::V4(v4);
    }
    prefix
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
