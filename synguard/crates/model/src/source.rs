//! Text forms of sources, and the status of a source.

use std::net::IpAddr;

use synguard_common::{
    ip_list::Prefix,
    source::{SourceKey, SourceState},
};

/// The status of a source: the measure in force against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceStatus {
    /// The source is within its rate.
    #[default]
    Ok,
    /// The source exceeded its rate, and its SYNs are dropped until the hold ends.
    Hold,
    /// The source is on the blocklist.
    Blocked,
    /// The source is on the allowlist.
    Allowed,
}

impl SourceStatus {
    /// Returns the name in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hold => "hold",
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
        }
    }
}

/// Returns the number of SYNs of a source since it got its entry.
pub const fn total_syns(state: &SourceState) -> u64 {
    state.passed.saturating_add(state.dropped)
}

/// Returns the address of a key; an IPv4-mapped one as IPv4.
pub fn address(key: &SourceKey) -> IpAddr {
    key.address.into()
}

/// Returns the key of a whole address, without a mask.
pub fn key_of(address: IpAddr) -> SourceKey {
    SourceKey { address: address.into() }
}

/// Returns the prefix that a source stands for: an IPv4 address, or an IPv6 prefix of `v6_length` bits.
pub const fn prefix_of(key: &SourceKey, v6_length: u8) -> Prefix {
    let length = if key.address.is_v4() { 128 } else { v6_length as u32 };
    Prefix::new(key.address, length)
}

/// Formats a source: an IPv4 address, an IPv6 address, or an IPv6 prefix of `v6_length` bits.
pub fn display(key: &SourceKey, v6_length: u8) -> String {
    match address(key) {
        IpAddr::V6(address) if v6_length < 128 => format!("{address}/{v6_length}"),
        address => address.to_string(),
    }
}

/// Formats the prefix of a source: a /24 of IPv4, a /48 of IPv6.
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
    fn sources_have_short_text_forms() {
        let key = |text: &str| key_of(text.parse().expect("an address"));
        assert_eq!(display(&key("192.0.2.1"), 64), "192.0.2.1");
        assert_eq!(display(&key("2001:db8::"), 64), "2001:db8::/64");
        assert_eq!(display(&key("2001:db8::1"), 128), "2001:db8::1");
        assert_eq!(display_prefix(&key("192.0.2.0")), "192.0.2.0/24");
        assert_eq!(display_prefix(&key("2001:db8:1::")), "2001:db8:1::/48");
    }
}
