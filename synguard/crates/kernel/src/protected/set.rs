//! The set of protected addresses, and what would block one of them. Pure.

use std::{cmp::Reverse, fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

/// What an address is to this host. Where it is several things, the first of these is what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Somebody is logged in from there.
    SshPeer,
    /// An address of this host.
    Own,
    /// The way out.
    Gateway,
    /// A DNS server.
    Resolver,
    /// The host talking to itself.
    Loopback,
}

/// An address, or a network, that must not be blocked by accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The address; IPv4 is never in its IPv6 form.
    pub net: IpNet,
    /// What it is, in one word.
    pub role: Role,
    /// What it is, in words that go on with a sentence: `the peer of an SSH session (port 22)`.
    pub why: String,
}

impl Protected {
    /// One address.
    pub fn address(ip: IpAddr, role: Role, why: impl Into<String>) -> Self {
        Self::net(IpNet::from(ip), role, why)
    }

    /// A network.
    pub fn net(net: IpNet, role: Role, why: impl Into<String>) -> Self {
        Self { net: plain(net), role, why: why.into() }
    }
}

/// Protected addresses. No two of them overlap; they ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(Vec<Protected>);

impl Set {
    /// The set of these, in any order. Of one that lies in another only the other is kept; what is said of the
    /// same address is put together.
    pub fn new(all: impl IntoIterator<Item = Protected>) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_cached_key(|one| {
            let span = Span::of(&one.net);
            (span.first, Reverse(span.last), one.role, one.why.clone())
        });
        let mut kept: Vec<Protected> = Vec::with_capacity(all.len());
        for one in all {
            match kept.last_mut() {
                Some(last) if last.net == one.net => {
                    if !last.why.split(" and ").any(|why| why == one.why) {
                        last.why.push_str(" and ");
                        last.why.push_str(&one.why);
                    }
                }
                Some(last) if Span::of(&last.net).last >= Span::of(&one.net).last => {}
                _ => kept.push(one),
            }
        }
        Self(kept)
    }

    /// The protected addresses, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Protected> {
        self.0.iter()
    }

    /// What stands against blocking `target`: the protected addresses that it covers, or the network that it lies
    /// in. Takes the logarithm of the set's size.
    pub fn conflict(&self, target: IpNet) -> Option<Conflict<'_>> {
        let span = Span::of(&target);
        let begin = self.0.partition_point(|one| Span::of(&one.net).last < span.first);
        let end = self.0.partition_point(|one| Span::of(&one.net).first <= span.last);
        let protected = self.0.get(begin..end).filter(|some| !some.is_empty())?;
        Some(Conflict { target, protected })
    }
}

/// What stands against blocking each of the targets.
pub fn conflicts(targets: impl IntoIterator<Item = IpNet>, set: &Set) -> impl Iterator<Item = Conflict<'_>> {
    targets.into_iter().filter_map(|target| set.conflict(target))
}

/// A target that must not be blocked. Prints as a line that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict<'a> {
    /// The target, as it was given.
    pub target: IpNet,
    /// What it would block: at least one.
    pub protected: &'a [Protected],
}

impl fmt::Display for Conflict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.protected.iter().min_by_key(|one| one.role) else { return Ok(()) };
        let (net, target) = (Short(first.net), Short(self.target));
        let why = &first.why;
        let (target_span, net_span) = (Span::of(&self.target), Span::of(&first.net));
        if target_span == net_span {
            write!(f, "{target} is {why}")?;
        } else if target_span.first <= net_span.first && target_span.last >= net_span.last {
            write!(f, "{target} covers {net}, {why}")?;
        } else {
            write!(f, "{target} is inside {net}, {why}")?;
        }
        match self.protected.len() - 1 {
            0 => Ok(()),
            1 => f.write_str(", and 1 more protected address"),
            more => write!(f, ", and {more} more protected addresses"),
        }
    }
}

/// A single address without its prefix length.
struct Short(IpNet);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// The first and the last address of a network, both families in one space: IPv4 is in its IPv6 form, as it is
/// for the datapath. Networks nest or are apart; they never cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u128,
    last: u128,
}

const MAPPED: u128 = 0xffff_0000_0000;
const MAPPED_LENGTH: u8 = 96;

impl Span {
    fn of(net: &IpNet) -> Self {
        let (address, length) = match net {
            IpNet::V4(net) => (MAPPED | u128::from(u32::from(net.addr())), MAPPED_LENGTH + net.prefix_len()),
            IpNet::V6(net) => (u128::from(net.addr()), net.prefix_len()),
        };
        let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        Self { first: address & !host, last: address | host }
    }
}

/// The same network without host bits, and as IPv4 if it was IPv4 in its IPv6 form.
fn plain(net: IpNet) -> IpNet {
    let net = net.trunc();
    if let IpNet::V6(v6) = net
        && let Some(ip) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(MAPPED_LENGTH)
        && let Ok(v4) = Ipv4Net::new(ip, length)
    {
        return IpNet::V4(v4);
    }
    net
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
