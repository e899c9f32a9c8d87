//! Targets of list entries: an address or a prefix. Pure.
//!
//! A target has a canonical form, so that it is found again in whichever notation it is given: host bits are cleared, a
//! prefix of full length is an address, and an IPv4-mapped IPv6 address is the IPv4 address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use synguard_common::ip_list::Prefix;

/// Bits before the IPv4 address in an IPv4-mapped IPv6 address.
const MAPPED_BITS: u8 = 96;

/// An address, or a prefix without host bits. Targets sort by address, and a prefix before the prefixes inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(IpNet);

/// Result of parsing a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTarget {
    pub target: Target,
    /// True if host bits were cleared: `192.0.2.7/24` is parsed as `192.0.2.0/24`.
    pub masked: bool,
}

/// Reason why a text is not a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is not an address or CIDR, such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
    Address(String),
    /// Two addresses with a dash between them.
    #[error("`{0}` is a range: write it as one or more CIDRs, such as 192.0.2.0/24")]
    Range(String),
    /// A host name.
    #[error("`{0}` is a name: only addresses can be listed, such as those that `getent ahosts {0}` prints")]
    Name(String),
    /// An IPv6 address with a zone.
    #[error("`{0}` names an interface: leave out the `%` and what follows it")]
    Zone(String),
    /// The part after the slash is not a valid prefix length.
    #[error("`{text}` has no valid prefix length: what follows the `/` must be 0 to {max}")]
    Length {
        text: String,
        /// Longest prefix of the address's family.
        max: u8,
    },
}

impl ParsedTarget {
    /// Parses an address or a CIDR.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| TargetError::diagnose(text, address))?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => max,
            Some(digits) => prefix_length(digits)
                .filter(|&length| length <= max)
                .ok_or_else(|| TargetError::Length { text: text.to_owned(), max })?,
        };
        Ok(Self::new(address, length))
    }

    /// Returns the prefix of `length` bits that contains an address. `length` is at most 32 or 128, according to the
    /// family.
    pub(crate) fn new(address: IpAddr, length: u8) -> Self {
        let (address, length) = match address {
            IpAddr::V6(v6) if length >= MAPPED_BITS => match v6.to_ipv4_mapped() {
                Some(v4) => (IpAddr::V4(v4), length - MAPPED_BITS),
                None => (address, length),
            },
            _ => (address, length),
        };
        let net = match address {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, length)),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, length)),
        };
        let target = Target(net.trunc());
        Self { target, masked: target.address() != address }
    }
}

/// Parses a decimal prefix length without sign; leading zeros are accepted.
fn prefix_length(digits: &str) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

impl TargetError {
    /// Finds the most helpful error for a text whose part before the slash is not an address.
    fn diagnose(text: &str, address: &str) -> Self {
        let shown: String = text.chars().take(80).collect();
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        if address.split_once('-').is_some_and(|(from, to)| is_address(from) && is_address(to)) {
            return Self::Range(shown);
        }
        if address.split_once('%').is_some_and(|(before, _)| is_address(before)) {
            return Self::Zone(shown);
        }
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let has_letters = address.bytes().any(|byte| byte.is_ascii_alphabetic());
        if has_letters && address.contains('.') && text.bytes().all(is_name_byte) {
            return Self::Name(shown);
        }
        Self::Address(shown)
    }
}

impl Target {
    /// Returns the target of a single address.
    pub fn host(address: IpAddr) -> Self {
        ParsedTarget::new(address, if address.is_ipv4() { 32 } else { 128 }).target
    }

    /// Returns the target of a key of the filter's tables. A length above 128 counts as 128.
    pub fn from_key(key: &Prefix) -> Self {
        ParsedTarget::new(IpAddr::V6(key.address.into()), key.length.min(128) as u8).target
    }

    /// Returns the target's key in the filter's tables.
    pub fn key(self) -> Prefix {
        let address = self.0.network();
        let before = if address.is_ipv4() { MAPPED_BITS } else { 0 };
        Prefix::new(address.into(), u32::from(before + self.0.prefix_len()))
    }

    /// Returns the address, or the first address of the prefix.
    pub fn address(self) -> IpAddr {
        self.0.network()
    }

    /// Returns the target as a prefix; that of an address has full length.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Reports whether the target is a single address.
    pub(crate) fn is_host(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Reports whether the target contains all of `other`. No target covers one of the other family.
    pub fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Returns the targets that together cover every address of this one, or `None` if some address is left. `find` returns the one
    /// that covers all of a prefix, if there is one. Halves are looked at as well, down to prefixes that are `depth` bits longer.
    pub fn cover(self, depth: u8, find: &impl Fn(Self) -> Option<Self>) -> Option<Vec<Self>> {
        if let Some(found) = find(self) {
            return Some(vec![found]);
        }
        if depth == 0 || self.is_host() {
            return None;
        }
        let halves = self.0.subnets(self.0.prefix_len() + 1).ok()?;
        let parts: Option<Vec<_>> = halves.map(|half| Self(half).cover(depth - 1, find)).collect();
        parts.map(|parts| parts.concat())
    }

    /// Returns the target itself and all prefixes that contain it, from the longest to the shortest.
    pub fn covering(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |target| target.0.supernet().map(Self))
    }
}

impl From<IpNet> for Target {
    fn from(net: IpNet) -> Self {
        ParsedTarget::new(net.addr(), net.prefix_len()).target
    }
}

impl From<Ipv4Addr> for Target {
    fn from(address: Ipv4Addr) -> Self {
        Self::host(address.into())
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Ok(ParsedTarget::parse(text)?.target)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() { self.address().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
#[path = "ip_prefix_tests.rs"]
mod tests;
