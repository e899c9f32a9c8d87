//! Sources as people look at them: the busiest of a table, with their rates. Pure: readings of the table and the
//! times they were taken at are arguments.

mod filter;
mod networks;
mod rank;
mod rates;

use std::net::{IpAddr, Ipv6Addr};

use synguard_common::{
    abi::{SourceKey, SourceState},
    prefix::{from_bytes, to_bytes},
};

pub use self::{
    filter::Filter,
    networks::Networks,
    rank::{Busiest, Sort},
    rates::Rates,
};

/// What is being done about a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
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

impl Standing {
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

/// A source, or a network, in a list of the busiest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Who.
    pub key: SourceKey,
    /// SYNs since the reading before this one.
    pub fresh: u64,
    /// Those a second.
    pub syn_rate: f64,
    /// SYNs since its entry was made.
    pub syn_total: u64,
    /// Those of them that were dropped (in monitor mode: would have been).
    pub dropped: u64,
    /// What is being done about it.
    pub standing: Standing,
    /// When its hold ends or ended, in nanoseconds of CLOCK_MONOTONIC; 0 if it never was in one.
    pub hold_until_ns: u64,
    /// Its first SYN, in nanoseconds of CLOCK_MONOTONIC.
    pub first_seen_ns: u64,
    /// Its latest SYN, in nanoseconds of CLOCK_MONOTONIC.
    pub last_seen_ns: u64,
}

impl Row {
    /// A source of which `fresh` SYNs arrived in the last `seconds`. Whether it is on a list is not known here.
    pub fn new(key: &SourceKey, state: &SourceState, fresh: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            key: *key,
            fresh,
            syn_rate: if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 },
            syn_total: total(state),
            dropped: state.dropped,
            standing: if state.hold_until_ns > now_ns { Standing::Hold } else { Standing::Ok },
            hold_until_ns: state.hold_until_ns,
            first_seen_ns: state.first_seen_ns,
            last_seen_ns: state.last_seen_ns,
        }
    }

    /// The same with what an entry of the blocklist dropped, `fresh` of it in the last `seconds`: the table of
    /// sources does not hear of that.
    #[must_use]
    pub fn with_hits(self, fresh: u64, hits: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            fresh: self.fresh.saturating_add(fresh),
            syn_rate: if seconds > 0.0 { self.syn_rate + fresh as f64 / seconds } else { self.syn_rate },
            syn_total: self.syn_total.saturating_add(hits),
            dropped: self.dropped.saturating_add(hits),
            standing: Standing::Blocked,
            // Without an entry it is not known.
            first_seen_ns: if self.first_seen_ns == 0 { now_ns } else { self.first_seen_ns },
            last_seen_ns: if fresh > 0 { now_ns } else { self.last_seen_ns },
            ..self
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
pub fn display_network(key: &SourceKey) -> String {
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
        assert_eq!(display_network(&key("192.0.2.0")), "192.0.2.0/24");
        assert_eq!(display_network(&key("2001:db8:1::")), "2001:db8:1::/48");
    }
}
