//! What somebody types to see only some of the sources: a network, a part of an address, or a standing.

use std::net::IpAddr;

use synguard_common::{
    addr::{Halves, apply, mask},
    source::SourceKey,
};
use synguard_model::source::{SourceStatus, display, key_of};

use super::Row;

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those in a network.
    Network {
        /// Its address.
        address: Halves,
        /// Its mask.
        mask: Halves,
    },
    /// Those with a standing.
    Status(SourceStatus),
    /// Those whose address has this in it.
    Part(String),
}

impl Filter {
    /// Understands what was typed so far: every text means something.
    pub fn parse(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Self::All;
        }
        let standings = [SourceStatus::Ok, SourceStatus::Hold, SourceStatus::Blocked, SourceStatus::Allowed];
        if let Some(standing) = standings.into_iter().find(|standing| standing.label() == text) {
            return Self::Status(standing);
        }
        network(&text).unwrap_or(Self::Part(text))
    }

    /// Whether a source can be wanted, as far as its address tells.
    pub fn admits(&self, key: &SourceKey, v6_length: u8) -> bool {
        match self {
            Self::All | Self::Status(_) => true,
            Self::Network { address, mask } => apply(key.address, *mask) == *address,
            Self::Part(part) => display(key, v6_length).contains(part.as_str()),
        }
    }

    /// Whether a row is wanted.
    pub fn wants(&self, row: &Row, v6_length: u8) -> bool {
        match self {
            Self::Status(standing) => row.standing == *standing,
            _ => self.admits(&row.key, v6_length),
        }
    }
}

fn network(text: &str) -> Option<Filter> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u32 = length.parse().ok()?;
    let length = match address {
        IpAddr::V4(_) if length <= 32 => 96 + length,
        IpAddr::V6(_) if length <= 128 => length,
        _ => return None,
    };
    let mask = mask(length);
    Some(Filter::Network { address: apply(key_of(address).address, mask), mask })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(filter: &str, address: &str) -> bool {
        let row = Row { key: key_of(address.parse().expect("an address")), ..Row::default() };
        Filter::parse(filter).wants(&row, 64)
    }

    #[test]
    fn networks_and_parts_of_addresses() {
        for (filter, address, wanted) in [
            ("", "192.0.2.1", true),
            ("192.0", "192.0.2.1", true),
            ("2.1", "192.0.2.1", true),
            ("10.", "192.0.2.1", false),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.3.0/24", "192.0.2.1", false),
            ("192.0.2.0/99", "192.0.2.1", false),
            ("2001:DB8", "2001:db8::", true),
            ("2001:db8::/32", "2001:db8:7::", true),
            ("0.0.0.0/0", "2001:db8:7::", false),
            ("ok", "192.0.2.1", true),
            ("hold", "192.0.2.1", false),
        ] {
            assert_eq!(matches(filter, address), wanted, "{filter} on {address}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_filter_and_an_address_matches_itself(text: String, bits: u32) {
            let _ = Filter::parse(&text);
            let address = std::net::Ipv4Addr::from(bits).to_string();
            prop_assert!(matches(&address, &address));
        }
    }
}
