//! Sources as people write them, and what is being done about one.

use std::net::{IpAddr, Ipv6Addr};

use synguard_common::{
    addr::{from_bytes, to_bytes},
    source::{SourceKey, SourceState},
};

/// What is being done about a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceStatus {
    /// Nothing: it is within its rate.
    #[default]
    Ok,
    /// It went over its rate, and its SYNs are dropped until the hold ends.
    Hold,
    /// It is on the blocklist.
    Blocked,
    /// It is on the allowlist.
    Allowed,
}

impl SourceStatus {
    /// The name used in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hold => "hold",
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
        }
    }
}

/// SYNs of a source since its entry was made.
pub const fn total(state: &SourceState) -> u64 {
    state.passed.saturating_add(state.dropped)
}

/// The address of a key: IPv4 as such.
pub fn address(key: &SourceKey) -> IpAddr {
    Ipv6Addr::from(to_bytes(key.address)).to_canonical()
}

/// The key of an address that was not masked.
pub fn key_of(address: IpAddr) -> SourceKey {
    let bytes = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    SourceKey { address: from_bytes(bytes) }
}

/// A source as people write it: an IPv4 address, an IPv6 address, or an IPv6 network of `v6_length` bits.
pub fn display(key: &SourceKey, v6_length: u8) -> String {
    match address(key) {
        IpAddr::V6(address) if v6_length < 128 => format!("{address}/{v6_length}"),
        address => address.to_string(),
    }
}

/// A network as people write it, where all of a /24 or /48 are one.
pub fn display_prefix(key: &SourceKey) -> String {
    match address(key) {
        IpAddr::V4(address) => format!("{address}/24"),
        IpAddr::V6(address) => format!("{address}/48"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_written_as_people_write_them() {
        let key = |text: &str| key_of(text.parse().expect("an address"));
        assert_eq!(display(&key("192.0.2.1"), 64), "192.0.2.1");
        assert_eq!(display(&key("2001:db8::"), 64), "2001:db8::/64");
        assert_eq!(display(&key("2001:db8::1"), 128), "2001:db8::1");
        assert_eq!(display_prefix(&key("192.0.2.0")), "192.0.2.0/24");
        assert_eq!(display_prefix(&key("2001:db8:1::")), "2001:db8:1::/48");
    }
}
