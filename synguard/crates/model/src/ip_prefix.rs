//! What an entry of a list is about: an address or a network. Pure.
//!
//! A target has one form only, so that it is found again however it was written: host bits are cleared, a
//! network of one address is the address, and an IPv4-mapped IPv6 address is the IPv4 address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use synguard_common::{addr, ip_list::Prefix};

/// Bits that the IPv4-mapped form of an address has before the IPv4 address.
const MAPPED_BITS: u8 = 96;

/// An address, or a network without host bits. Targets sort by address, and a network before what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(IpNet);

/// A target as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTarget {
    /// The target.
    pub target: Target,
    /// Whether host bits were set that it does not have: `192.0.2.7/24` is read as `192.0.2.0/24`.
    pub masked: bool,
}

/// Why a text is not a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No address at all.
    #[error("`{0}` is not an address or CIDR, such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
    Address(String),
    /// Two addresses with a dash.
    #[error("`{0}` is a range: write it as one or more CIDRs, such as 192.0.2.0/24")]
    Range(String),
    /// A name.
    #[error("`{0}` is a name: only addresses can be listed, such as those that `getent ahosts {0}` prints")]
    Name(String),
    /// An IPv6 address with an interface.
    #[error("`{0}` names an interface: leave out the `%` and what follows it")]
    Zone(String),
    /// What follows the slash is no length of a prefix.
    #[error("`{text}` has no valid prefix length: what follows the `/` must be 0 to {max}")]
    Length {
        /// The whole text.
        text: String,
        /// The longest prefix of its family.
        max: u8,
    },
}

impl ParsedTarget {
    /// Reads an address or a CIDR.
    ///
    /// # Errors
    /// [`TargetError`], which says what would be accepted.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| TargetError::of(text, address))?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => max,
            Some(digits) => prefix_length(digits)
                .filter(|&length| length <= max)
                .ok_or_else(|| TargetError::Length { text: text.to_owned(), max })?,
        };
        Ok(Self::new(address, length))
    }

    /// The network of `length` bits, at most those of the address's family, around an address.
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

/// One to three digits, and nothing else.
fn prefix_length(digits: &str) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

impl TargetError {
    /// What is wrong with a text whose part before the slash is no address.
    fn of(text: &str, address: &str) -> Self {
        let shown: String = text.chars().take(80).collect();
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        if address.split_once('-').is_some_and(|(from, to)| is_address(from) && is_address(to)) {
            return Self::Range(shown);
        }
        if address.split_once('%').is_some_and(|(before, _)| is_address(before)) {
            return Self::Zone(shown);
        }
        let of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let has_letters = address.bytes().any(|byte| byte.is_ascii_alphabetic());
        if has_letters && address.contains('.') && text.bytes().all(of_names) {
            return Self::Name(shown);
        }
        Self::Address(shown)
    }
}

impl Target {
    /// The target that is one address.
    pub fn host(address: IpAddr) -> Self {
        ParsedTarget::new(address, if address.is_ipv4() { 32 } else { 128 }).target
    }

    /// The target of a key of the filter's tables. A length of more than 128 counts as 128.
    pub fn from_key(key: &Prefix) -> Self {
        let address = Ipv6Addr::from(addr::to_bytes(key.address));
        ParsedTarget::new(IpAddr::V6(address), key.length.min(128) as u8).target
    }

    /// Its key in the filter's tables.
    pub fn key(self) -> Prefix {
        let (address, before) = match self.0.network() {
            IpAddr::V4(v4) => (v4.to_ipv6_mapped(), MAPPED_BITS),
            IpAddr::V6(v6) => (v6, 0),
        };
        Prefix::new(addr::from_bytes(address.octets()), u32::from(before + self.0.prefix_len()))
    }

    /// Its address, or the first one of the network.
    pub fn address(self) -> IpAddr {
        self.0.network()
    }

    /// As a network, which may be of one address.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Whether it is one address.
    pub(crate) fn is_host(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Whether everything in `other` is in it. Families never cover each other.
    pub fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Itself and every network around it, from the longest prefix to the shortest.
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
